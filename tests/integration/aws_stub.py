"""A strict AWS on loopback, for what moto does not check: signatures with the time in them, limits of PutMetricData, gzip, throttling by code,
expired keys, a wrong clock, answers that hang; and the credential endpoints of a container (ECS), an instance (IMDSv2) and STS.

    with AwsStub() as aws:
        keys = aws.grant("AKIAEXAMPLE", "secret")       # or aws.grant(..., token="t", lifetime=3600)
        aws.fault(400, "ThrottlingException")           # the next API call is answered so; as many as are queued
        ... AWS_ENDPOINT_URL=aws.url ...
        aws.calls                                       # [Call]: what was accepted, decoded
        aws.data                                        # the MetricData of all accepted PutMetricData, with "Namespace"
        aws.points                                      # of all accepted OTLP/JSON at /v1/metrics: see check_otlp
        aws.rejected = 3                                # said in partialSuccess from then on

Further operations: aws.operation("DescribeAlarms", function(aws, parameters) -> dict), which may raise Refusal; aws.region is that of the call.
PutMetricData and nothing else is there from the beginning; alarms are in aws_stub_alarms.py. Everything that came in, accepted or not, is in aws.requests. Thread-safe enough for tests: handlers hold
one lock, but for the hanging ones."""
import collections
import datetime
import email.utils
import gzip
import hashlib
import hmac
import http.server
import json
import math
import re
import threading
import time
import urllib.parse

SKEW_S = 300
METRICS_MAX, VALUES_MAX, DIMENSIONS_MAX, BODY_MAX = 1000, 150, 30, 1 << 20
UNITS = {"Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"} | {
    (scale + kind).capitalize() + per for scale in ("", "kilo", "mega", "giga", "tera") for kind in ("bytes", "bits") for per in ("", "/Second")}


class Refusal(Exception):
    """An answer that is an error: status, code, message; `headers` besides."""

    def __init__(self, status, code, message="", headers=None):
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


Call = collections.namedtuple("Call", "operation parameters service region access_key_id headers body time")
Request = collections.namedtuple("Request", "method path headers body time")


# ---- Signature Version 4, read ----

def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(query):
    pairs = [p.partition("=")[::2] for p in query.split("&") if p]
    decoded = [(quoted(urllib.parse.unquote(k)), quoted(urllib.parse.unquote(v))) for k, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted(decoded))


def signature(secret, stamp, scope, request, signed):
    """The signature that a request with these signed headers should have."""
    path, _, query = request.path.partition("?")
    lines = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    canonical = "\n".join([request.method, urllib.parse.quote(path or "/", safe="/-_.~"), canonical_query(query), lines, ";".join(signed),
                           hashlib.sha256(request.body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class AwsStub:
    def __init__(self):
        self.lock = threading.RLock()
        self.points, self.rejected = [], 0  # OTLP
        self.keys = {}  # access key id -> (secret, token or None, unix time of its end or None)
        self.faults = collections.deque()
        self.operations = {"PutMetricData": put_metric_data}
        self.requests, self.calls, self.data = [], [], []
        self.region = ""  # that the call was signed for
        self.clock_offset_s = 0  # of the stub's clock before ours
        self.sts_lifetime_s = 3600
        self.web_identity_token = None  # what AssumeRoleWithWebIdentity must bring
        self.container = None   # what the container's endpoint gives: dict, or a status
        self.container_token = None
        self.container_faults = collections.deque()  # statuses, before that
        self.instance = None    # (role, dict); None: there is no metadata service (404)
        self.released = threading.Event()  # ends what hangs
        self.counter = 0

    def __enter__(self):
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def handle_any(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                headers = {}
                for name, value in self.headers.items():
                    name = name.lower()
                    headers[name] = f"{headers[name]},{value}" if name in headers else value
                stub.answer(self, Request(self.command, self.path, headers, body, time.time()))

            do_GET = do_POST = do_PUT = handle_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # else a connection waits for seconds where we are slow to take it

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    # ---- What tests set ----

    def now(self):
        return time.time() + self.clock_offset_s

    def grant(self, access_key_id=None, secret=None, token=None, lifetime=None):
        """Keys that are accepted from now on; gives them as the endpoints would."""
        with self.lock:
            self.counter += 1
            access_key_id = access_key_id or f"ASIASTUB{self.counter:012d}"
            secret = secret or f"stub-secret-{self.counter}"
            ends = None if lifetime is None else self.now() + lifetime
            self.keys[access_key_id] = (secret, token, ends)
            keys = {"AccessKeyId": access_key_id, "SecretAccessKey": secret}
            if token is not None:
                keys["Token"] = token
            if ends is not None:
                keys["Expiration"] = stamp_of(ends)
            return keys

    def expire(self, access_key_id):
        with self.lock:
            secret, token, _ = self.keys[access_key_id]
            self.keys[access_key_id] = (secret, token, 0)

    def fault(self, status, code, message="", times=1, headers=None):
        """The next API calls (not the credential endpoints) are answered so, before anything is looked at."""
        with self.lock:
            self.faults.extend([Refusal(status, code, message, headers)] * times)

    def hang(self, times=1):
        """The next API calls get no answer until the stub ends."""
        with self.lock:
            self.faults.extend(["hang"] * times)

    def operation(self, name, function):
        self.operations[name] = function

    # ---- Requests ----

    def answer(self, handler, request):
        with self.lock:
            self.requests.append(request)
            path = request.path.partition("?")[0]
            if path.startswith("/latest/"):
                status, headers, body = self.instance_answer(request)
            elif path.startswith("/credentials"):
                status, headers, body = self.container_answer(request)
            else:
                fault = self.faults.popleft() if self.faults else None
                status = None
                if fault != "hang":
                    status, headers, body = self.api_answer(request, fault)
        if status is None:
            self.released.wait(60)
            handler.close_connection = True
            return
        handler.send_response_only(status)
        handler.send_header("Date", email.utils.formatdate(self.now(), usegmt=True))
        for name, value in {"Content-Length": str(len(body)), "x-amzn-RequestId": f"stub-{len(self.requests)}", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def api_answer(self, request, fault):
        is_json = "x-amz-target" in request.headers
        try:
            if fault is not None:
                raise fault
            if request.path == "/v1/metrics":
                return 200, {"Content-Type": "application/json"}, json.dumps(self.otlp_call(request)).encode()
            if is_json:
                result = self.json_call(request)
                return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(result).encode()
            return 200, {"Content-Type": "text/xml"}, self.form_call(request)
        except Refusal as no:
            if is_json:
                body = json.dumps({"__type": "com.amazonaws.cloudwatch.v2010_08_01#" + no.code, "message": no.message}).encode()
                return no.status, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-query-error": f"{no.code};Sender", **no.headers}, body
            body = (f"<ErrorResponse><Error><Type>Sender</Type><Code>{no.code}</Code><Message>{no.message}</Message></Error>"
                    "<RequestId>stub</RequestId></ErrorResponse>").encode()
            return no.status, {"Content-Type": "text/xml", **no.headers}, body

    def otlp_call(self, request):
        if request.method != "POST" or request.headers.get("content-type") != "application/json":
            raise Refusal(400, "SerializationException", "content type")
        who = self.check_signature(request, "monitoring")
        body = self.unpacked(request)
        try:
            parameters = json.loads(body.decode())
            self.points.extend(check_otlp(parameters))
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise Refusal(400, "SerializationException", repr(error)) from None
        self.calls.append(Call("otlp", parameters, *who, request.headers, body, self.now()))
        if self.rejected:
            return {"partialSuccess": {"rejectedDataPoints": str(self.rejected), "errorMessage": "made up"}}
        return {}

    @staticmethod
    def unpacked(request):
        if len(request.body) > BODY_MAX:
            raise Refusal(413, "RequestEntityTooLarge")
        if request.headers.get("content-encoding") == "gzip":
            return gzip.decompress(request.body)
        if "content-encoding" in request.headers:
            raise Refusal(415, "UnsupportedMediaType")
        return request.body

    def json_call(self, request):
        if request.headers.get("content-type") != "application/x-amz-json-1.0":
            raise Refusal(400, "SerializationException", "content type")
        service, _, operation = request.headers["x-amz-target"].partition(".")
        if service != "GraniteServiceVersion20100801" or operation not in self.operations:
            raise Refusal(400, "UnknownOperationException", operation)
        who = self.check_signature(request, "monitoring")
        body = self.unpacked(request)
        try:
            parameters = json.loads(body.decode(), parse_constant=lambda c: float(c.lower().replace("infinity", "inf")))
        except ValueError as error:
            raise Refusal(400, "SerializationException", str(error)) from None
        self.region = who[1]
        result = self.operations[operation](self, parameters)
        self.calls.append(Call(operation, parameters, *who, request.headers, body, self.now()))
        return result or {}

    def check_signature(self, request, service):
        """(service, region, access key id), or Refusal."""
        line = request.headers.get("authorization", "")
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, "
                             r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})", line)
        if not match:
            raise Refusal(403, "MissingAuthenticationToken", "no signature of version 4")
        access_key_id, date, region, named, names, given = match.groups()
        signed = names.split(";")
        stamp = request.headers.get("x-amz-date", "")
        if named != service or signed != sorted(signed) or not {"host", "x-amz-date"} <= set(signed) or not stamp.startswith(date):
            raise Refusal(403, "SignatureDoesNotMatch", "scope or signed headers")
        must = {"content-type", "content-encoding", "x-amz-target", "x-amz-security-token"} & set(request.headers)
        if not must <= set(signed):
            raise Refusal(403, "SignatureDoesNotMatch", "these should be signed: " + ", ".join(must - set(signed)))
        if access_key_id not in self.keys:
            raise Refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        secret, token, ends = self.keys[access_key_id]
        signed_at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(signed_at - self.now()) > SKEW_S:
            raise Refusal(403, "RequestTimeTooSkewed", f"Signature not yet current or expired: {stamp}")
        if token is not None and request.headers.get("x-amz-security-token") != token:
            raise Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        if signature(secret, stamp, (date, region, named, "aws4_request"), request, signed) != given:
            raise Refusal(403, "InvalidSignatureException", "The request signature we calculated does not match")
        if ends is not None and self.now() >= ends:
            raise Refusal(403, "ExpiredToken", "The security token included in the request is expired")
        return service, region, access_key_id

    # ---- STS ----

    def form_call(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
        action = form.get("Action")
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise Refusal(400, "InvalidAction", "content type")
        if action == "AssumeRole":
            who = self.check_signature(request, "sts")
        elif action == "AssumeRoleWithWebIdentity":
            if "authorization" in request.headers:
                raise Refusal(400, "InvalidAction", "this one is unsigned")
            if form.get("WebIdentityToken") != self.web_identity_token:
                raise Refusal(400, "InvalidIdentityToken", "The web identity token is not ours")
            who = ("sts", "", "")
        else:
            raise Refusal(400, "InvalidAction", str(action))
        if form.get("Version") != "2011-06-15" or not form.get("RoleArn", "").startswith("arn:") or not form.get("RoleSessionName"):
            raise Refusal(400, "ValidationError", "Version, RoleArn, RoleSessionName")
        keys = self.grant(token=f"sts+token/{self.counter}==", lifetime=self.sts_lifetime_s)
        self.calls.append(Call(action, form, *who, request.headers, request.body, self.now()))
        return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><AssumedRoleUser>'
                f"<Arn>{form['RoleArn']}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{keys['AccessKeyId']}</AccessKeyId>"
                f"<SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey><SessionToken>{keys['Token']}</SessionToken>"
                f"<Expiration>{keys['Expiration']}</Expiration></Credentials></{action}Result>"
                f"<ResponseMetadata><RequestId>stub</RequestId></ResponseMetadata></{action}Response>").encode()

    # ---- Container and instance ----

    def container_answer(self, request):
        if self.container_token is not None and request.headers.get("authorization") != self.container_token:
            return 401, {}, b"{}"
        if self.container_faults:
            return self.container_faults.popleft(), {}, b"later"
        if self.container is None or request.method != "GET":
            return 404, {}, b"{}"
        return 200, {"Content-Type": "application/json"}, json.dumps({"RoleArn": "arn:aws:iam::1:role/task", **self.container}).encode()

    def instance_answer(self, request):
        if self.instance is None:
            return 404, {}, b""
        role, keys = self.instance
        roles = "/latest/meta-data/iam/security-credentials/"
        if request.path == "/latest/api/token":
            if request.method != "PUT" or request.headers.get("x-aws-ec2-metadata-token-ttl-seconds") != "21600":
                return 400, {}, b""
            return 200, {}, b"imds-token=="
        if request.headers.get("x-aws-ec2-metadata-token") != "imds-token==":
            return 401, {}, b""
        if request.path == roles:
            return 200, {}, role.encode()
        if request.path == roles + role:
            answer = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp_of(self.now()), **keys}
            return 200, {}, json.dumps(answer).encode()
        return 404, {}, b""


def stamp_of(unix_s):
    return datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- OTLP/JSON ----

def members(message, must, may=()):
    assert isinstance(message, dict) and set(must) <= set(message) <= set(must) | set(may), sorted(message)
    return message


def int64(text):
    assert isinstance(text, str) and re.fullmatch(r"\d{1,20}", text), text
    return int(text)


def number(value):
    assert isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value), value
    return value


def attributes(pairs):
    names = [members(p, {"key", "value"})["key"] for p in pairs]
    assert len(names) == len(set(names)) <= 150, names
    return {p["key"]: members(p["value"], {"stringValue"})["stringValue"] for p in pairs}


def check_histogram(point):
    counts, bounds = [int64(c) for c in point["bucketCounts"]], [number(b) for b in point["explicitBounds"]]
    assert len(counts) == len(bounds) + 1 and bounds == sorted(set(bounds)) and sum(counts) == int64(point["count"]), point
    return {"counts": counts, "bounds": bounds, "sum": point.get("sum")}


def check_otlp(request):
    """The points of an ExportMetricsServiceRequest in the JSON mapping, each flat: name, unit, kind, attributes, resource, since and time in
    nanoseconds, value (a histogram's: counts, bounds, sum). Anything that the mapping does not have is an AssertionError."""
    kinds = {"gauge": (set(), {"asDouble"}), "sum": ({"startTimeUnixNano"}, {"asDouble"}),
             "histogram": ({"startTimeUnixNano"}, {"bucketCounts", "explicitBounds", "count"})}
    points = []
    for outer in members(request, {"resourceMetrics"})["resourceMetrics"]:
        members(outer, {"resource", "scopeMetrics"})
        resource = attributes(members(outer["resource"], {"attributes"})["attributes"])
        for scope in outer["scopeMetrics"]:
            assert members(scope, {"scope", "metrics"})["scope"] == {"name": "oxpecker"}
            for metric in scope["metrics"]:
                kind = (set(metric) & set(kinds)).pop()
                members(metric, {"name", kind}, {"unit"})
                also = {"gauge": set(), "sum": {"aggregationTemporality", "isMonotonic"}, "histogram": {"aggregationTemporality"}}[kind]
                members(metric[kind], {"dataPoints"} | also)
                assert metric[kind].get("aggregationTemporality", 1) == 1 and metric[kind].get("isMonotonic", True) is True
                for point in metric[kind]["dataPoints"]:
                    times, values = kinds[kind]
                    members(point, {"attributes", "timeUnixNano"} | times | values, {"sum"} if kind == "histogram" else ())
                    since, when = int64(point["startTimeUnixNano"]) if times else None, int64(point["timeUnixNano"])
                    assert since is None or since < when
                    points.append({"name": metric["name"], "unit": metric.get("unit"), "kind": kind, "resource": resource, "since": since,
                                   "time": when, "attributes": attributes(point["attributes"]),
                                   "value": check_histogram(point) if kind == "histogram" else number(point["asDouble"])})
    return points


# ---- PutMetricData and its limits ----

def check_text(text, most, what, may_begin_with_colon=False):
    if not isinstance(text, str) or not 1 <= len(text) <= most or not text.strip() or any(not " " <= c <= "~" for c in text) \
            or (text.startswith(":") and not may_begin_with_colon):
        raise Refusal(400, "InvalidParameterValue", f"{what}: {text!r}")


def check_number(value, what):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) > 2.0 ** 360:
        raise Refusal(400, "InvalidParameterValue", f"{what}: {value!r}")


def check_values(datum):
    kinds = [k for k in ("Value", "StatisticValues", "Values") if k in datum]
    if len(kinds) != 1 or ("Counts" in datum and "Values" not in datum):
        raise Refusal(400, "InvalidParameterCombination", f"one of Value, StatisticValues and Values: {kinds}")
    if "Value" in datum:
        check_number(datum["Value"], "Value")
    elif "Values" in datum:
        counts = datum.get("Counts", [1] * len(datum["Values"]))
        if not 1 <= len(datum["Values"]) <= VALUES_MAX or len(set(datum["Values"])) != len(datum["Values"]):
            raise Refusal(400, "InvalidParameterValue", f"Values: {len(datum['Values'])}")
        if len(counts) != len(datum["Values"]) or any(not c > 0 for c in counts):
            raise Refusal(400, "InvalidParameterValue", "Counts")
        for value in datum["Values"] + counts:
            check_number(value, "Values")
    else:
        values = datum["StatisticValues"]
        if set(values) != {"SampleCount", "Sum", "Minimum", "Maximum"}:
            raise Refusal(400, "MissingParameter", f"StatisticValues: {sorted(values)}")
        for name, value in values.items():
            check_number(value, name)
        if values["SampleCount"] <= 0 or values["Minimum"] > values["Maximum"]:
            raise Refusal(400, "InvalidParameterValue", "StatisticValues")


def put_metric_data(aws, parameters):
    """Refuses all of it when anything is wrong, as CloudWatch does."""
    if set(parameters) - {"Namespace", "MetricData", "EntityMetricData", "StrictEntityValidation"} or "Namespace" not in parameters:
        raise Refusal(400, "MissingParameter", str(sorted(parameters)))
    namespace, data = parameters["Namespace"], parameters.get("MetricData", [])
    check_text(namespace, 255, "Namespace")
    if namespace.startswith("AWS/") or not 1 <= len(data) <= METRICS_MAX:
        raise Refusal(400, "InvalidParameterValue", f"{namespace}, {len(data)} metrics")
    for datum in data:
        if set(datum) - {"MetricName", "Dimensions", "Timestamp", "Value", "Values", "Counts", "StatisticValues", "Unit", "StorageResolution"}:
            raise Refusal(400, "InvalidParameterValue", str(sorted(datum)))
        check_text(datum.get("MetricName"), 255, "MetricName")
        dimensions = datum.get("Dimensions", [])
        if len(dimensions) > DIMENSIONS_MAX or len({d["Name"] for d in dimensions}) != len(dimensions):
            raise Refusal(400, "InvalidParameterValue", f"{len(dimensions)} dimensions")
        for dimension in dimensions:
            check_text(dimension["Name"], 255, "dimension")
            check_text(dimension["Value"], 1024, dimension["Name"], may_begin_with_colon=True)
        check_values(datum)
        if datum.get("Unit", "None") not in UNITS or datum.get("StorageResolution", 60) not in (1, 60):
            raise Refusal(400, "InvalidParameterValue", f"{datum.get('Unit')} {datum.get('StorageResolution')}")
        stamp = datum.get("Timestamp", aws.now())
        if not aws.now() - 14 * 86400 <= stamp <= aws.now() + 7200:
            raise Refusal(400, "InvalidParameterValue", f"Timestamp {stamp}")
    aws.data.extend({"Namespace": namespace, **datum} for datum in data)
    return {}
