"""A browser and the page with made-up answers in it, for all tests of the page."""

import page_stub
import pytest
from page_browser import chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("downloads")) as page, page_stub.serving() as (address, stub):
        yield page, address, stub


@pytest.fixture
def stub(browser):
    browser[0].leave()
    browser[2].forget()
    return browser[2]


@pytest.fixture
def page(browser, stub):
    """The page, opened at no model; it must end without a word in the console and without a request elsewhere."""
    page = browser[0]
    page.wish()
    page.expected = ""  # what the console may say: the browser itself notes each failed request there
    page.open(browser[1])
    page.greeted()
    yield page
    assert [one for one in page.complaints() if not page.expected or page.expected not in one] == []
