"""No bytes break the server: requests drawn from its OpenAPI document, broken images, texts, JSON, zips and so on.

In the suite each part is short. For a long run: KERAS_DL_FUZZ=2000 pytest -s tests/test_server_fuzz.py
"""

import base64
import csv
import io
import json
import os
import shutil
import socket
import struct
import zipfile
import zlib
from collections import Counter
from urllib.parse import quote, urlsplit

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from live_server import serving

EXAMPLES = int(os.environ.get("KERAS_DL_FUZZ", "0"))  # per part; 0 for the few of the suite
REFUSALS = {400, 401, 404, 405, 408, 413, 429, 503}
INNER = ("Traceback", '.py"', "/tmp", "/home", "site-packages", "tensorflow/", "{{node", "Error:")  # of no interest
SEEN: Counter[tuple[str, int]] = Counter()


def few(count):
    """Draw few examples in the suite, and many in a long run; a failure is shrunk by running it again."""
    return hypothesis.settings(
        max_examples=EXAMPLES or count,
        derandomize=not EXAMPLES,  # the suite says the same today and tomorrow
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def server(tiny_run, exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "emoji"
    shutil.copytree(exported("emoji"), folder / "1")
    (folder / "serving.json").write_text(json.dumps({"labels": {"stable": 1}}))
    database = f"sqlite:///{tmp_path_factory.mktemp('journal')}/requests.db"
    with serving(folder, tiny_run("pneumonia").path, database=database, largest_body=3_000_000, queue=16) as url:
        yield url
    print(*(f"{part} {status}: {count}" for (part, status), count in sorted(SEEN.items())), sep="\n")


@pytest.fixture(scope="module")
def post(server):
    """Give a function that posts over one connection and checks what comes back."""
    with requests.Session() as session:
        yield lambda part, path, **sent: fine(part, session.post(server + path, timeout=60, **sent))


@pytest.fixture(scope="module")
def jpeg(tiny_run):
    return sample(tiny_run("pneumonia"))


def sample(run):
    return next((run.path / "examples").glob("[!.]*")).read_bytes()


def fine(part, response):
    """Make sure that a response is an answer, or a refusal of one line that tells nothing of the inside."""
    SEEN[part, response.status_code] += 1
    assert response.status_code in {200} | REFUSALS, (response.status_code, response.text[:500])
    assert response.headers["X-Request-Id"]
    if response.status_code != 200:
        (said,) = refused(response.json())
        assert len(said) <= 500
    elif "ndjson" in response.headers["Content-Type"]:
        lines = response.text.splitlines()  # none is cut: each is JSON
        count, *rows, last = map(json.loads, lines)
        assert last.get("done") == count["count"] == len(rows)
        for row in rows:
            refused({"error": row.get("error", "")})
    return response


def refused(body):
    """Check the one line of an error."""
    assert set(body) == {"error"}
    assert "\n" not in body["error"]
    assert not [word for word in INNER if word in body["error"]]
    return body.values()


def test_every_operation_keeps_to_the_document(server):
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    names = ("content_type_conformance", "response_schema_conformance", "status_code_conformance")
    kept = [not_a_server_error, *(getattr(checks, name) for name in names)]
    asked = requests.post(f"{server}/v1/models/emoji:answer", json={"instances": ["a"]}, timeout=60).json()
    known = {
        "name": st.sampled_from(["emoji", "emoji", "pneumonia", "none"]),
        "version": st.sampled_from(["1", "1", "2", "x"]),
        "label": st.sampled_from(["stable", "stable", "canary"]),
        "file": st.text(max_size=10).map(lambda text: text.replace("/", "")),
    }
    operations = [found.ok() for found in schemathesis.openapi.from_url(f"{server}/openapi.json").get_all_operations()]
    assert len(operations) > 20
    for operation in operations:

        @few(8)
        @given(case=operation.as_strategy(), values=st.fixed_dictionaries(known), real=st.booleans())
        def keeps_to_it(case, values, real):
            for name in case.path_parameters or ():
                case.path_parameters[name] = values[name]
            if real and isinstance(case.body, dict) and "request_id" in case.body:
                case.body |= {"request_id": asked["request_id"], "index": 0}
            response = case.call(timeout=60)
            SEEN[case.operation.label, response.status_code] += 1
            case.validate_response(response, checks=kept)

        keeps_to_it()


KEYS = st.sampled_from(["instances", "inputs", "signature_name", "b64", "text", "image", "ids", "method", "label"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["tensors", "serving_default", "/9j/4AAQ", "occlusion", "\ud800", 10**400, -1, 2**31])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
MODELS = st.sampled_from(["emoji", "pneumonia"])
ROUTES = st.sampled_from(
    [f"/v1/models/{name}:{verb}" for name in ("emoji", "pneumonia") for verb in ("predict", "answer", "explain")]
    + ["/v1/models/emoji:feedback", "/predict", "/predict/batch"]
)


def torn(whole):
    """Break bytes: cut them, put other bytes in, repeat a piece, or leave one out."""
    place = st.integers(0, len(whole))
    piece = st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, b"\0" * 8, b"\x7f\xff\xff\xff"])
    return st.one_of(
        st.builds(lambda at: whole[:at], place),
        st.builds(lambda at, new: whole[:at] + new + whole[at + len(new) :], place, piece),
        st.builds(lambda at, new: whole[:at] + new + whole[at:], place, piece),
        st.builds(lambda at, to: whole[:to] + whole[at:], place, place),
    )


@few(80)
@given(route=ROUTES, value=VALUES | st.lists(st.text(), min_size=1, max_size=3), key=KEYS)
def test_json_of_any_shape_is_answered_or_refused(post, route, value, key):
    post("json", route, data=json.dumps(value))
    post("json", route, data=json.dumps({key: value, "signature_name": "tensors"} if key == "inputs" else {key: value}))


@few(40)
@given(route=ROUTES, body=torn(b'{"instances": [{"b64": "aGVsbG8="}, "I \\ud83d\\ude00 you"], "method": "occlusion"}'))
def test_broken_json_is_answered_or_refused(post, route, body):
    post("bytes", route, data=body)


@few(60)
@given(data=st.data())
def test_broken_jpegs_are_answered_or_refused(post, jpeg, data):
    raw = data.draw(torn(jpeg) | st.binary(max_size=100).map(lambda more: jpeg[:20] + more))
    post("jpeg", "/v1/models/pneumonia:predict", json={"instances": [{"b64": encoded(raw)}]})
    post("jpeg", "/v1/models/pneumonia:answer", files=[("files", ("a.jpg", raw)), ("files", ("b.jpg", jpeg))])


def encoded(raw):
    return base64.b64encode(raw).decode()


SIDES = st.sampled_from([0, 1, 31, 32, 33, 64, 65_500, 2**31 - 1, 2**32 - 1])
SMALL = st.just(0) | st.integers(0, 17)
HEADERS = st.sampled_from([(8, 0, 0, 0, 0), (1, 3, 0, 0, 1), (4, 0, 0, 0, 0), (8, 6, 0, 0, 0)])
HEADERS |= st.tuples(st.sampled_from([1, 2, 4, 8, 16, 3]), st.sampled_from([0, 2, 3, 4, 6, 1, 7]), SMALL, SMALL, SMALL)


@few(60)
@given(
    sides=st.just((64, 33)) | st.tuples(SIDES, SIDES),
    rest=HEADERS,
    rows=st.binary(max_size=40) | st.none(),
    extra=st.sampled_from([b"", b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"eXIf", b"gAMA", b"acTL", b"IHDR"]),
)
def test_pngs_of_any_header_are_answered_or_refused(post, sides, rest, rows, extra):
    if rows is None:  # as many as the header says, where that is not much
        bits = rest[0] * {2: 3, 4: 2, 6: 4}.get(rest[1], 1)
        rows = bytes(min(sides[1] * (1 + (sides[0] * bits + 7) // 8), 100_000))
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", *sides, *rest))
    raw += (chunk(extra, zlib.compress(rows)) if extra else b"") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
    post("png", "/v1/models/pneumonia:explain", files={"files": ("a.png", raw)})


def chunk(kind, body=b""):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@few(50)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_texts_of_any_bytes_are_answered_or_refused(post, raw):
    post("text", "/v1/models/emoji:predict", json={"instances": [{"b64": encoded(raw)}]})
    post("text", "/v1/models/emoji:explain", files={"files": ("a.txt", raw)})


@few(40)
@given(data=st.data(), name=MODELS)
def test_broken_zips_are_answered_or_refused(post, jpeg, data, name):
    file = io.BytesIO()
    kind = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    name_in_zip = data.draw(st.text(min_size=1, max_size=5)).encode("utf-8", "replace").decode()
    with zipfile.ZipFile(file, "w") as archive:
        for one, content in (("../a\\b.jpg", jpeg), (name_in_zip, b"I love you"), ("folder/", b"")):
            archive.writestr(zipfile.ZipInfo(one), content, kind)  # a ZipInfo's time is always the same
    raw = data.draw(st.just(file.getvalue()) | torn(file.getvalue()))
    post("zip", f"/v1/models/{name}:batch", files={"file": ("a.zip", raw)})


@few(40)
@given(
    rows=st.lists(st.lists(st.text(max_size=10), max_size=3), max_size=4),
    header=st.sampled_from([["text"], ["number", "Text"], ["a", "b"], []]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
)
def test_csv_files_of_any_cells_are_answered_or_refused(post, rows, header, encoding):
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    raw = file.getvalue().encode(encoding, "replace")
    post("csv", "/v1/models/emoji:batch", files={"file": ("a.csv", raw)})


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence:DeprecationWarning")  # of the strange encoding
@few(40)
@given(
    charset=st.sampled_from(["utf-8", "idna", "punycode", "unicode_escape", "utf-7", "base64", "undefined", "utf-16"]),
    head=torn(b'Content-Disposition: form-data; name="files"; filename="\\ud800+2AA-.txt"'),
)
def test_broken_forms_are_answered_or_refused(post, charset, head):
    body = b"--edge\r\n" + head + b"\r\n\r\nI love you\r\n--edge--\r\n"
    kind = f"multipart/form-data; boundary=edge; charset={charset}"
    post("form", "/v1/models/emoji:answer", data=body, headers={"Content-Type": kind})


HEADER = torn(b"POST /v1/models/emoji:predict HTTP/1.1\r\nHost: a\r\nX-Request-Id: b\r\nContent-Length: 21\r\n\r\n")


@few(40)
@given(head=HEADER | st.binary(max_size=50))
def test_broken_headers_harm_nobody(server, head):
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head + b'{"instances": ["a"]}\n')
        connection.shutdown(socket.SHUT_WR)  # what was begun will not go on
        connection.settimeout(0.05)
        try:
            answer = connection.recv(1000)
        except OSError:  # it waits for the rest, or has gone
            answer = b""
    assert not answer or b" 500 " not in answer.split(b"\r\n")[0]
    SEEN["header", int(answer[9:12]) if answer[9:12].isdigit() else 0] += 1


ASTRAY = ["a%0Ab", "%00", "..%2f..%2fconfig.json", "%2e%2e/app.py", "a" * 5000, "%ff%fe", "%ED%A0%80", "1:predict"]


def quoted(path):
    return quote(path.encode("utf-8", "replace"), safe="%/.")


@few(30)
@given(
    path=st.text(max_size=20).map(quoted) | st.sampled_from(ASTRAY),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]),
)
def test_no_path_leads_astray(server, path, method):
    for start in ("/", "/static/", "/v1/models/", "/v1/models/emoji/samples/", "/v1/models/emoji/labels/"):
        response = requests.request(method, server + start + path, timeout=30)
        SEEN["path", response.status_code] += 1
        assert response.status_code < 500
        if response.status_code >= 400 and method != "HEAD" and "json" in response.headers["Content-Type"]:
            refused(response.json())
