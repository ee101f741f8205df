"""The page and the pages of the API behind a reverse proxy, which may show the server anywhere."""

import live_server
import pytest
import requests
from reverse_proxy import proxied


@pytest.fixture(scope="module")
def served(tiny_run):
    """Give the address of a server that was told nothing."""
    with live_server.serving(tiny_run("emoji").path) as url:
        yield url


@pytest.fixture(scope="module")
def told(tiny_run):
    """Give the address of a server that was told its path: `--root-path /keras`."""
    with live_server.serving(tiny_run("emoji").path, root_path="/keras", api_key="sesame") as url:
        yield url


PLACES = {
    "none": ("", ""),
    "nginx": ("/keras", ""),
    "jupyter": ("/user/ada/proxy/7860", ""),
    "two slashes": ("/keras", "/"),  # nginx: location /keras { proxy_pass http://127.0.0.1:7860/; }
}


@pytest.fixture
def behind(browser, request, served):
    """The page behind a proxy; nothing may be asked but what is below the proxy's path."""
    page = browser[0]
    with proxied(served, *PLACES[request.param]) as address:
        page.open(address)
        yield page
        assert page.complaints() == []
        page.leave()


@pytest.mark.parametrize("behind", PLACES, indirect=True)
def test_the_page_works_below_any_path(behind, tmp_path):
    behind.find(".panel", "Example")
    behind.find("textarea").send_keys("I love you")
    behind.wait(lambda: not behind.all(".panel", "Example"))
    behind.find(".explanation", "Evidence for")
    (tmp_path / "texts.csv").write_text("text\n" + "let us eat\n" * 3)
    behind.choose("section + section input[type=file]", tmp_path / "texts.csv")
    behind.find(".progress", "All 3 done in")
    behind.click("footer a", "the API")
    behind.find(".info .title", "keras-dl")


@pytest.mark.parametrize("behind", ["none", "nginx", "two slashes"], indirect=True)
def test_an_address_without_its_last_slash_is_mended(behind):
    behind.browser.get(f"{behind.address}#/emoji")
    behind.find(".panel", "Example")
    assert behind.browser.current_url == f"{behind.address}/#/emoji"
    behind.complaints()  # the browser looks ahead for files before the address is mended


@pytest.mark.parametrize("behind", ["none", "jupyter"], indirect=True)
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_page_of_the_api_asks_below_the_path(behind, slash):
    behind.browser.get(f"{behind.address}/docs{slash}")
    behind.click("#operations-watching-livez_livez_get button.opblock-summary-control")
    behind.click("button", "Try it out")
    behind.click("button", "Execute")
    behind.find(".request-url", f"{behind.address}/livez")
    behind.find(".live-responses-table", '"alive"')


@pytest.mark.parametrize("instead", ["", "/", None])
def test_a_server_that_knows_its_path_takes_it_off_where_the_proxy_does_not(instead, told):
    key = {"Authorization": "Bearer sesame"}
    with proxied(told, "/keras", instead) as address:
        for url in (told, address):
            assert "keras-dl" in requests.get(f"{url}/", timeout=9).text
            assert requests.get(f"{url}/v1/models", headers=key, timeout=9).ok
            assert requests.get(f"{url}/v1/models", timeout=9).status_code == 401, "no way around the key"
            assert requests.get(f"{url}/static/page.js", timeout=9).ok
        assert "Path=/keras;" in requests.get(f"{address}", timeout=9).headers["Set-Cookie"]


def test_a_client_asks_below_the_path(served):
    from keras_dl import client

    with proxied(served, "/keras") as address:
        (row,) = client.predict(f"{address}/", "emoji", ["I love you"])
    assert row["label"]


def test_the_document_of_the_api_says_that_the_server_is_where_it_is_itself(served):
    assert requests.get(f"{served}/openapi.json", timeout=9).json()["servers"] == [{"url": "."}]
