"""moto's server on loopback with its checks of signatures and policies on: what is not signed with the keys of a user that it knows, or what that
user's policy does not allow, is refused with 403.

    with Moto() as moto:
        moto.reset(policy)              # nothing is in it but our user, with this policy, one that may only read, and one that may do all
        ... AWS_ENDPOINT_URL=moto.url, **moto.keys ...
        moto.client("cloudwatch")       # boto3, by the keys of the one that reads"""
import json
import os
import signal
import subprocess
import tempfile
import urllib.request

import boto3
import moto  # noqa: F401  for moto_server

import harness

USERS = ("oxpecker", "reader", "person")  # the last one may do anything
CALLS = 3 * len(USERS)  # that make the users, before anybody could sign
READS = ("Describe*", "Get*", "List*")


def allow(*actions):
    """A policy. moto takes an action's prefix from the name of the service that was signed for; AWS says cloudwatch:…"""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [f"monitoring:{a}" for a in actions], "Resource": "*"}]}


def actions_of(policy):
    """The names of all actions that a policy as AWS has it allows. moto knows neither the resources nor the conditions of CloudWatch."""
    statements = policy["Statement"]
    assert all(s["Effect"] == "Allow" and isinstance(s["Action"], list) for s in statements)
    return [action.removeprefix("cloudwatch:") for s in statements for action in s["Action"]]


class Moto:
    def __init__(self, region="us-east-1"):
        self.region, self.users = region, {}

    def __enter__(self):
        port = harness.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=self.log, stderr=self.log,
                                        env=harness.no_proxy_environment(INITIAL_NO_AUTH_ACTION_COUNT="0"), start_new_session=True)
        os.environ.setdefault("NO_PROXY", "127.0.0.1")
        harness.wait_for(self.is_up, what="moto_server")
        return self

    def __exit__(self, *exc):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def is_up(self):
        assert self.process.poll() is None, "moto_server ended"
        try:
            return self.ask("", "GET")
        except OSError:
            return False

    def ask(self, path, method="POST", body=None):
        request = urllib.request.Request(f"{self.url}/moto-api/{path}", method=method, data=body, headers={"Content-Type": "text/plain"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return answer.status == 200

    def reset(self, policy):
        self.ask("reset")
        self.ask("reset-auth", body=str(CALLS).encode())  # so many are taken unseen; then the checks are on
        iam = boto3.client("iam", region_name=self.region, endpoint_url=self.url, aws_access_key_id="any", aws_secret_access_key="any")
        for user, document in zip(USERS, (policy, allow(*READS), allow("*"))):
            iam.create_user(UserName=user)
            key = iam.create_access_key(UserName=user)["AccessKey"]
            iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(document))
            self.users[user] = (key["AccessKeyId"], key["SecretAccessKey"])

    @property
    def keys(self):
        """Of our user, as environment."""
        key, secret = self.users["oxpecker"]
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def client(self, service="cloudwatch", user="reader", secret=None):
        key, right = self.users[user]
        return boto3.client(service, region_name=self.region, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret or right)
