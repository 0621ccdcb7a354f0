"""alerts/aws against botocore's signer, botocore's endpoint rules, moto with signatures checked, and our strict stub (aws_stub.py)."""
import datetime
import gzip
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest
import urllib.parse
from unittest import mock

import aws_stub
import harness

try:
    import boto3
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    import botocore.session
    import moto_peer
except ImportError:
    if os.environ.get("CI"):
        raise
    boto3 = None

DRIVER = harness.OXPECKER.parent / "tests/unit/alerts/aws/aws_driver"
PUT = "GraniteServiceVersion20100801.PutMetricData"
DATUM = json.dumps({"Namespace": "Test", "MetricData": [{"MetricName": "M", "Value": 1.5, "Unit": "Count"}]})


class Driver:
    """alerts/aws on a leash (aws_driver.c). Nothing of this machine's AWS configuration reaches it."""

    def __init__(self, **environment):
        clean = {k: v for k, v in harness.no_proxy_environment().items() if not k.startswith("AWS_")}
        self.home = tempfile.TemporaryDirectory(prefix="oxpecker-aws-")
        clean.update({"HOME": self.home.name, "AWS_EC2_METADATA_DISABLED": "true", "AWS_DRIVER_SLEEP": "0", "AWS_REGION": "eu-west-1"})
        clean.update({k: str(v) for k, v in environment.items() if v is not None})
        self.process = subprocess.Popen([str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean, text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        self.home.cleanup()
        assert code == 0 or exc[0] is not None, f"the driver ended with {code}"

    def __call__(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the driver is gone"
        return json.loads(line)

    def put(self, body=DATUM, **more):
        return self("call", service="monitoring", target=PUT, body=body, **more)


@unittest.skipIf(boto3 is None, "no boto3 and moto")
@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class BesideBotocore(unittest.TestCase):
    """The same request, keys and time: the same headers."""

    TEXT = "abcXYZ019-_.~ /!*'();:@&=+$,?%#[]\"<>\\^`{|}äß€日🙂"
    REQUESTS = 600

    def word(self, chance, most=12):
        return "".join(chance.choice(self.TEXT) for _ in range(chance.randint(0, most)))

    def url(self, chance):
        host = chance.choice(["monitoring.eu-west-1.amazonaws.com", "127.0.0.1:4566", "[::1]:8080", "example.com:443", "sns.us-east-1.amazonaws.com"])
        scheme = "https" if host.endswith(":443") else chance.choice(["http", "https"])
        path = "".join("/" + chance.choice([urllib.parse.quote(self.word(chance), safe="~"), "", ".", "..", "a"]) for _ in range(chance.randint(0, 4)))
        pairs = [(urllib.parse.quote(self.word(chance) or "k", safe="-_.~"), urllib.parse.quote(self.word(chance), safe="-_.~"))
                 for _ in range(chance.randint(0, 5))]
        if pairs and chance.random() < 0.3:
            pairs.append((pairs[0][0], "again"))
        query = "&".join(k if v == "" and chance.random() < 0.5 else f"{k}={v}" for k, v in pairs)
        return f"{scheme}://{host}{path}" + ("?" + query if pairs else "")

    def headers(self, chance):
        names = ["Content-Type", "content-encoding", "X-Amz-Target", "X-Amz-Target-Extra", "x-custom", "Accept", "User-Agent", "Expect", "x-ABC",
                 "X-Custom"]
        blanks = [" ", "  ", "\t", " \t ", ""]
        given = []
        for name in chance.sample(names, chance.randint(0, 6)):
            words = [self.word(chance).replace(" ", "") or "v" for _ in range(chance.randint(1, 4))]
            value = (chance.choice(blanks) or " ").join(words)
            given.append((name, chance.choice(blanks) + value + chance.choice(blanks)))
        return given

    def expected(self, request, when):
        aws = botocore.awsrequest.AWSRequest(method=request["method"], url=request["url"], data=bytes.fromhex(request["body"]))
        for line in request["headers"]:
            name, _, value = line.partition(":")
            aws.headers.add_header(name, value)
        keys = botocore.credentials.Credentials(request["id"], request["secret"], request["token"] or None)
        with mock.patch("botocore.auth.get_current_datetime", return_value=when):
            botocore.auth.SigV4Auth(keys, request["service"], request["region"]).add_auth(aws)
        wanted = ["Authorization", "X-Amz-Date"] + (["X-Amz-Security-Token"] if request["token"] else [])
        return [f"{name}: {aws.headers[name]}" for name in wanted]

    def test_signatures(self):
        chance = random.Random(20261122)
        with Driver() as driver:
            for i in range(self.REQUESTS):
                when = datetime.datetime.fromtimestamp(chance.randint(0, 4102444799), datetime.timezone.utc)
                body = self.word(chance, 200).encode() if chance.random() < 0.7 else chance.randbytes(chance.randint(0, 99))
                request = {
                    "method": chance.choice(["GET", "POST", "PUT", "DELETE", "HEAD"]), "url": self.url(chance),
                    "headers": [f"{n}:{v}" for n, v in self.headers(chance)], "body": body.hex(), "id": "AKIDEXAMPLE%d" % i,
                    "secret": "".join(chance.choice("abcdefgh/+=XYZ019") for _ in range(40)),
                    "token": chance.choice(["", "token+/=="]), "region": chance.choice(["us-east-1", "cn-north-1", "us-gov-west-1"]),
                    "service": chance.choice(["monitoring", "sns", "sts"]), "time_ms": int(when.timestamp()) * 1000 + chance.randint(0, 999)}
                answer = driver("sign", **request)
                self.assertEqual(answer["status"], "OK", request)
                self.assertEqual(answer["headers"], self.expected(request, when), request)

    def test_endpoints(self):
        session = botocore.session.Session()
        loader = session.get_component("data_loader")
        from botocore.endpoint_provider import EndpointProvider
        partitions = loader.load_data("partitions")
        regions = ["us-east-1", "eu-west-1", "ap-southeast-4", "sa-east-1", "mx-central-1", "il-central-1", "cn-north-1", "cn-northwest-1",
                   "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1",
                   "eusc-de-east-1", "us-newplace-7"]
        compared = 0
        with Driver() as driver:
            for name, service in (("cloudwatch", "monitoring"), ("sns", "sns"), ("sts", "sts")):
                provider = EndpointProvider(loader.load_service_model(name, "endpoint-rule-set-1"), partitions)
                for region in regions:
                    for fips in (False, True):
                        for dual in (False, True):
                            wanted = provider.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual)
                            found = driver("endpoint", service=service, region=region, fips=fips, dual=dual)
                            self.assertEqual((found["status"], found["url"], found["region"]), ("OK", wanted.url, region), (name, fips, dual))
                            compared += 1
        self.assertEqual(compared, 3 * len(regions) * 4)


@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class AgainstOurStub(unittest.TestCase):
    def setUp(self):
        self.aws = aws_stub.AwsStub().__enter__()
        self.addCleanup(self.aws.__exit__)

    def driver(self, **environment):
        return Driver(AWS_ENDPOINT_URL=self.aws.url, **environment)

    def with_keys(self, **environment):
        keys = self.aws.grant("AKIDSTUB", "stub/secret+1")
        return self.driver(AWS_ACCESS_KEY_ID=keys["AccessKeyId"], AWS_SECRET_ACCESS_KEY=keys["SecretAccessKey"], **environment)

    def test_a_call(self):
        with self.with_keys() as driver:
            answer = driver.put()
            self.assertEqual((answer["status"], answer["answer"], answer["http"]), ("OK", "OK", 200), answer)
            self.assertTrue(answer["request_id"].startswith("stub-"))
        self.assertEqual([d["MetricName"] for d in self.aws.data], ["M"])
        self.assertEqual(self.aws.calls[0].region, "eu-west-1")

    def test_gzip(self):
        packed = gzip.compress(DATUM.encode(), mtime=0)
        with self.with_keys() as driver:
            self.assertEqual(driver("call", service="monitoring", target=PUT, hex=packed.hex(), gzip=True)["status"], "OK")
        self.assertEqual(self.aws.calls[0].headers["content-encoding"], "gzip")
        self.assertEqual(len(self.aws.data), 1)

    def test_what_is_refused(self):
        bad = json.dumps({"Namespace": "Test", "MetricData": [{"MetricName": "M", "Value": 1.5, "Values": [1]}]})
        with self.with_keys() as driver:
            answer = driver.put(bad)
            self.assertEqual((answer["status"], answer["answer"], answer["code"]), ("ERR_INVALID", "REFUSED", "InvalidParameterCombination"))
            self.assertIn("one of Value", answer["error"])
        self.assertEqual(len(self.aws.requests), 1)

    def test_a_wrong_secret(self):
        self.aws.grant("AKIDSTUB", "right")
        with self.driver(AWS_ACCESS_KEY_ID="AKIDSTUB", AWS_SECRET_ACCESS_KEY="wr0ngsecret") as driver:
            answer = driver.put()
        self.assertEqual((answer["answer"], answer["code"]), ("DENIED", "InvalidSignatureException"))
        self.assertNotIn("wr0ngsecret", json.dumps(answer))
        self.assertEqual(len(self.aws.requests), 1)

    def test_throttled_by_code(self):
        with self.with_keys() as driver:
            for code in ("Throttling", "ThrottlingException", "RequestLimitExceeded"):
                self.aws.fault(400, code, "Rate exceeded", times=2)
                answer = driver.put()
                self.assertEqual((answer["status"], answer["answer"]), ("OK", "OK"), answer)
                self.assertLessEqual(answer["slept_ms"], 3000)
            self.aws.fault(400, "Throttling", "Rate exceeded", times=9)
            answer = driver.put()
            self.assertEqual((answer["status"], answer["answer"], answer["code"]), ("ERR_LIMIT", "THROTTLED", "Throttling"))
        self.assertEqual(len(self.aws.requests), 3 * 3 + 3)

    def test_what_the_server_asks_to_wait(self):
        self.aws.fault(400, "Throttling", headers={"x-amz-retry-after": "4000"})
        with self.with_keys() as driver:
            answer = driver.put()
        self.assertEqual(answer["status"], "OK")
        self.assertEqual(answer["slept_ms"], 4000)  # the jitter of a first delay is less

    def test_server_errors(self):
        with self.with_keys() as driver:
            for status in (500, 502, 503, 504):
                self.aws.fault(status, "InternalServiceError", times=2)
                self.assertEqual(driver.put()["status"], "OK", status)
            self.aws.fault(500, "InternalServiceError", times=3)
            answer = driver.put()
            self.assertEqual((answer["status"], answer["answer"], answer["http"]), ("ERR_IO", "TRANSIENT", 500))
        self.assertEqual(len(self.aws.requests), 4 * 3 + 3)

    def test_silence(self):
        self.aws.hang()
        with self.with_keys() as driver:
            answer = driver.put(timeout_ms=2000)  # which the stub has for an answer, too
            self.assertEqual(answer["status"], "OK", answer)
            self.aws.hang(3)
            answer = driver.put(timeout_ms=100)
            self.assertEqual((answer["status"], answer["answer"]), ("ERR_TIMEOUT", "TRANSIENT"))
        self.assertEqual(len(self.aws.data), 1)

    def test_a_wrong_clock(self):
        self.aws.clock_offset_s = 3600
        with self.with_keys() as driver:
            for _ in range(2):
                self.assertEqual(driver.put()["status"], "OK")
            self.assertEqual(len(self.aws.requests), 3)  # learned once
            self.aws.clock_offset_s = -1000
            self.assertEqual(driver.put()["status"], "OK")
        self.assertEqual(len(self.aws.requests), 5)

    def test_a_clock_that_only_the_signature_shows(self):
        self.aws.clock_offset_s = 900
        self.aws.fault(403, "InvalidSignatureException", "Signature expired")
        with self.with_keys() as driver:
            self.assertEqual(driver.put()["status"], "OK")
        self.assertEqual(len(self.aws.requests), 2)

    def test_expired_keys_are_fetched_again_once(self):
        first = self.aws.grant(token="first-token", lifetime=3600)
        self.aws.container = first
        with self.driver(AWS_DRIVER_CONTAINER=self.aws.url, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/credentials/1") as driver:
            self.assertEqual(driver.put()["status"], "OK")
            self.aws.expire(first["AccessKeyId"])
            self.aws.container = self.aws.grant(token="second-token", lifetime=3600)
            self.assertEqual(driver.put()["status"], "OK")
            asked = [r for r in self.aws.requests if r.path == "/credentials/1"]
            self.assertEqual((len(asked), len(self.aws.requests)), (2, 5))
            self.aws.expire(self.aws.container["AccessKeyId"])  # and the endpoint has no better ones
            answer = driver.put()
            self.assertEqual((answer["answer"], answer["code"]), ("DENIED", "ExpiredToken"))
            self.assertEqual(len(self.aws.requests), 8)
            self.assertEqual(driver.put()["answer"], "DENIED")

    def test_container(self):
        self.aws.container = self.aws.grant(token="t", lifetime=21600)
        self.aws.container_token = "Bearer of the file"
        with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
            file.write(self.aws.container_token)
            file.flush()
            with self.driver(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.aws.url + "/credentials", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file.name,
                             AWS_CONTAINER_AUTHORIZATION_TOKEN="not this one") as driver:
                self.aws.container_faults.extend([500, 503])
                answer = driver("keys")
                self.assertEqual((answer["status"], answer["source"], answer["id"], answer["token"], answer["slept_ms"]),
                                 ("OK", "container", self.aws.container["AccessKeyId"], "t", 2000), answer)
                self.assertEqual(driver.put()["status"], "OK")
            self.aws.container_faults.extend([500, 503, 500])
            with self.driver(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.aws.url + "/credentials", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file.name) as driver:
                answer = driver("keys")
                self.assertEqual(answer["status"], "ERR_IO")
                self.assertIn("HTTP 500", answer["error"])
                self.assertEqual(driver("keys")["status"], "OK")
            file.write("\n")
            file.flush()
            with self.driver(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.aws.url + "/credentials", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=file.name) as driver:
                answer = driver("keys")
                self.assertEqual(answer["status"], "ERR_INVALID")
                self.assertNotIn("Bearer", answer["error"])

    def test_instance(self):
        self.aws.instance = ("my-role", self.aws.grant(token="t", lifetime=21600))
        with self.driver(AWS_DRIVER_INSTANCE=self.aws.url) as driver:
            self.assertEqual(driver("keys")["status"], "ERR_NOT_FOUND")  # off in the driver's environment
        self.assertEqual(self.aws.requests, [])
        with self.driver(AWS_EC2_METADATA_DISABLED="false", AWS_DRIVER_INSTANCE=self.aws.url) as driver:
            answer = driver("keys")
            self.assertEqual((answer["status"], answer["source"], answer["token"]), ("OK", "instance", "t"), answer)
            self.assertEqual(driver.put()["status"], "OK")

    def test_web_identity(self):
        self.aws.web_identity_token = "eyJ.one"
        with tempfile.TemporaryDirectory() as directory:
            token = pathlib.Path(directory) / "token"
            token.write_text("eyJ.one\n")
            with self.driver(AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN="arn:aws:iam::1:role/web", AWS_ROLE_SESSION_NAME="me") as driver:
                answer = driver("keys")
                self.assertEqual((answer["status"], answer["source"]), ("OK", "web identity"), answer)
                self.assertEqual(driver.put()["status"], "OK")
                self.assertEqual(self.aws.calls[0].parameters["RoleSessionName"], "me")
                self.aws.web_identity_token = "eyJ.two"
                token.write_text("eyJ.two\n")
                self.assertEqual(driver("keys", force=True)["status"], "OK")
                self.aws.web_identity_token = "eyJ.three"
                answer = driver("keys", force=True)
                self.assertEqual(answer["status"], "ERR_DENIED")
                self.assertIn("InvalidIdentityToken", answer["error"])

    def test_roles_of_profiles(self):
        keys = self.aws.grant("AKIDBASE", "base/secret")
        with tempfile.TemporaryDirectory() as directory:
            config, credentials = pathlib.Path(directory) / "config", pathlib.Path(directory) / "credentials"
            credentials.write_text(f"[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = {keys['SecretAccessKey']}\n")
            config.write_text("[profile middle]\nrole_arn = arn:aws:iam::1:role/middle\nsource_profile = base\nexternal_id = x&y=z\n"
                              "[profile top]\nrole_arn = arn:aws:iam::2:role/top\nsource_profile = middle\nrole_session_name = s\n")
            with self.driver(AWS_PROFILE="top", AWS_CONFIG_FILE=config, AWS_SHARED_CREDENTIALS_FILE=credentials) as driver:
                answer = driver("keys")
                self.assertEqual((answer["status"], answer["source"]), ("OK", "profile top"), answer)
                self.assertEqual(driver.put()["status"], "OK")
        roles = [(c.parameters["RoleArn"], c.parameters.get("ExternalId"), c.access_key_id) for c in self.aws.calls[:2]]
        self.assertEqual([r[:2] for r in roles], [("arn:aws:iam::1:role/middle", "x&y=z"), ("arn:aws:iam::2:role/top", None)])
        self.assertEqual(roles[0][2], "AKIDBASE")
        self.assertTrue(roles[1][2].startswith("ASIASTUB"))

    def test_no_keys(self):
        with self.driver() as driver:
            answer = driver.put()
            self.assertEqual(answer["status"], "ERR_NOT_FOUND")
            self.assertIn("no AWS credentials", answer["error"])
        self.assertEqual(self.aws.requests, [])


@unittest.skipIf(boto3 is None, "no boto3 and moto")
@unittest.skipUnless(DRIVER.is_file(), f"there is no {DRIVER}")
class AgainstMoto(unittest.TestCase):
    """moto_server with its checks of signatures and policies on."""

    @classmethod
    def setUpClass(cls):
        moto = cls.enterClassContext(moto_peer.Moto("eu-west-1"))
        moto.reset(moto_peer.allow("PutMetricData", "DescribeAlarms"))
        cls.url, (cls.id, cls.secret) = moto.url, moto.users["oxpecker"]

    def driver(self, secret):
        return Driver(AWS_ENDPOINT_URL_CLOUDWATCH=self.url, AWS_ACCESS_KEY_ID=self.id, AWS_SECRET_ACCESS_KEY=secret)

    def test_accepted(self):
        with self.driver(self.secret) as driver:
            answer = driver.put()
            self.assertEqual((answer["status"], answer["http"]), ("OK", 200), answer)
            answer = driver("call", service="monitoring", target="GraniteServiceVersion20100801.DescribeAlarms", body="{}")
            self.assertEqual(answer["status"], "OK", answer)
            self.assertIn("MetricAlarms", json.loads(answer["body"]))
            form = urllib.parse.urlencode({"Action": "PutMetricData", "Version": "2010-08-01", "Namespace": "Test/a b",
                                           "MetricData.member.1.MetricName": "Q", "MetricData.member.1.Value": "2"})
            answer = driver("call", service="monitoring", body=form)
            self.assertEqual(answer["status"], "OK", answer)

    def test_a_wrong_secret(self):
        with self.driver("x" * 40) as driver:
            answer = driver.put()
        self.assertEqual((answer["status"], answer["answer"], answer["http"]), ("ERR_DENIED", "DENIED", 403), answer)
        self.assertEqual(answer["code"], "SignatureDoesNotMatch")

    def test_an_action_that_the_policy_does_not_allow(self):
        with self.driver(self.secret) as driver:
            answer = driver("call", service="monitoring", target="GraniteServiceVersion20100801.DeleteAlarms", body='{"AlarmNames": ["x"]}')
        self.assertEqual((answer["answer"], answer["http"]), ("DENIED", 403), answer)


if __name__ == "__main__":
    unittest.main()
