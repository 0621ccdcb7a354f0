"""deploy/ by its structure: every flag, option and path in it exists, volumes are shared, nobody is root, roots are read-only, probes point at real
paths. No cluster, account or engine is asked. Each checker is also given what it must refuse: the same file with one thing changed."""
import copy
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from harness import OXPECKER, ROOT, Sidecar, no_proxy_environment, run, wait_for

try:
    import yaml
except ImportError:  # a missing tool is a failure under CI
    if os.environ.get("CI"):
        raise
    yaml = None

DEPLOY = ROOT / "deploy"
USER = "65532:65532"
SOCKET = "/run/oxpecker/events.sock"
CONFIG = "/etc/oxpecker/oxpecker.yml"
HEALTHCHECK = ["/usr/bin/oxpecker", "healthcheck"]  # the image says in its environment where the configuration is
OPTIONS = (ROOT / "docs/configuration.md").read_text()
FLAGS = set(re.findall(r"`(--[a-z.-]+)`", OPTIONS))
VARIABLES = set(re.findall(r"`(OXPECKER_[A-Z_]+)`", OPTIONS))
WALKTHROUGH = (ROOT / "docs/deploy.md").read_text()
ORCHESTRATOR = (ROOT / "examples/orchestrator/config.c").read_text()
PROVIDER = (ROOT / "examples/provider/flags.py").read_text()
HTTP_PATHS = set(re.findall(r"`(/[-a-z/]+)`|GET (/[-a-z/]+)", (ROOT / "docs/operations.md").read_text()))
HTTP_PATHS = {one or other for one, other in HTTP_PATHS}


def orchestrator_flags():
    return {f"--{name}" for name in re.findall(r'^    \{"([a-z-]+)", (?:"|NULL)', ORCHESTRATOR, re.M)} | {"--retry", "--breaker"}


def orchestrator_variables():
    return set(re.findall(r'^    \{"[a-z-]+", "([A-Z_]+)"', ORCHESTRATOR, re.M)) | {"OXPECKER_EVENTS_LISTEN_UNIX"}


def provider_flags():
    return set(re.findall(r'add\("(--[a-z-]+)"', PROVIDER))


def unknown_words(words, flags):
    return [word for word in words if word.startswith("--") and word.split("=", 1)[0] not in flags]


def check_config(test, text, **environment):
    """The sidecar itself reads the configuration and finds nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        answer = subprocess.run([OXPECKER, "check", "config", file.name], capture_output=True, text=True, timeout=120,
                                env=no_proxy_environment(HOSTNAME="a", **environment))
    test.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
    return yaml.safe_load(text)


class Rejects(unittest.TestCase):
    """Rows of (what is changed, how): the checker must find fault with each, and with nothing as it is."""

    def hold(self, checker, document, rows):
        self.assertEqual(checker(document), [])
        for what, change in rows:
            with self.subTest(what):
                spoilt = copy.deepcopy(document)
                change(spoilt)
                self.assertNotEqual(checker(spoilt), [], f"{what}: nobody noticed")


# ---- compose


def compose_faults(document):
    services, faults = document["services"], []

    def expect(condition, text):
        if not condition:
            faults.append(text)

    mounts = {}
    for name, service in services.items():
        expect(re.fullmatch(r"[1-9]\d*:\d+", str(service.get("user"))), f"{name}: its user is no number, or root")
        expect(service.get("read_only") is True, f"{name}: its root can be written")
        expect(service.get("cap_drop") == ["ALL"], f"{name}: capabilities")
        expect("no-new-privileges:true" in service.get("security_opt", []), f"{name}: new privileges")
        expect("privileged" not in service and "network_mode" not in service, f"{name}: privileged")
        for port in service.get("ports", []):
            expect(port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network")
        build = service.get("build")
        if build:
            file = DEPLOY / build["context"] / build["dockerfile"]
            expect(file.is_file(), f"{name}: there is no {file}")
            expect("target" not in build or f" AS {build['target']}\n" in file.read_text(), f"{name}: no stage {build.get('target')}")
        else:
            expect(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']} has no version")
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                expect((DEPLOY / source).exists(), f"{name}: there is no {source}")
                expect(volume.endswith(":ro"), f"{name}: {source} can be written")
            else:
                expect(source in document["volumes"], f"{name}: no volume {source}")
                mounts.setdefault(source, {})[name] = target
        for other in service.get("depends_on", []):
            expect(other in services, f"{name}: depends on {other}")
    for volume in document["volumes"]:
        expect(volume in mounts, f"the volume {volume} is not used")
    expect(mounts.get("events") == {"oxpecker": "/run/oxpecker", "orchestrator": "/run/oxpecker"}, "the socket's volume is not shared")
    sidecar, orchestrator = services["oxpecker"], services["orchestrator"]
    for variable in sidecar["environment"]:
        expect(variable in VARIABLES, f"oxpecker: {variable} is no variable")
    expect(sidecar["healthcheck"]["test"] == ["CMD", *HEALTHCHECK], "oxpecker: health check")
    for variable in orchestrator["environment"]:
        expect(variable in orchestrator_variables(), f"orchestrator: {variable} is no variable")
    expect(orchestrator["environment"].get("OXPECKER_EVENTS_LISTEN_UNIX") == SOCKET, "orchestrator: socket")
    expect(orchestrator["depends_on"].get("oxpecker") == {"condition": "service_healthy"}, "orchestrator: does not wait")
    faults += unknown_words(orchestrator["command"], orchestrator_flags()) + unknown_words(services["provider"]["command"], provider_flags())
    # Names in addresses are services, ports are where these listen.
    ports = {"oxpecker": "10108", "orchestrator": "8000", "provider": "8787", "prometheus": "9090"}
    for host, port in re.findall(r"http://([a-z]+):(\d+)", json.dumps(services)):
        expect(host == "localhost" or ports.get(host) == port, f"nobody listens at {host}:{port}")
    return faults


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Compose(Rejects):
    def setUp(self):
        self.document = yaml.safe_load((DEPLOY / "compose.yml").read_text())

    def test_structure(self):
        def put(service, key, value):
            return lambda document: document["services"][service].__setitem__(key, value)

        self.hold(compose_faults, self.document, [
            ("root", put("oxpecker", "user", "0:0")),
            ("a name for a user", put("orchestrator", "user", "oxpecker")),
            ("a root that can be written", put("grafana", "read_only", False)),
            ("capabilities", put("provider", "cap_drop", [])),
            ("an open port", put("grafana", "ports", ["3000:3000"])),
            ("no such Dockerfile", put("oxpecker", "build", {"context": "..", "dockerfile": "Containerfile"})),
            ("no such stage", put("provider", "build", {"context": "..", "dockerfile": "deploy/demo.Dockerfile", "target": "browser"})),
            ("no such file", put("prometheus", "volumes", ["./prom.yml:/etc/prometheus/prometheus.yml:ro", "prometheus:/prometheus"])),
            ("another folder for the socket", put("orchestrator", "volumes", ["events:/tmp", "orchestrator:/var/lib/orchestrator"])),
            ("no such option", lambda d: d["services"]["oxpecker"]["environment"].update(OXPECKER_STORAGE_INTERVAL="5s")),
            ("no such flag", lambda d: d["services"]["orchestrator"]["command"].append("--loops=3")),
            ("no such flag of the provider", lambda d: d["services"]["provider"]["command"].append("--loops=3")),
            ("no such service", lambda d: d["services"]["orchestrator"]["environment"].update(BROWSERBASE_BASE_URL="http://provider:80")),
            ("latest", put("prometheus", "image", "docker.io/prom/prometheus:latest")),
        ])

    def test_faults_of_the_provider_are_ones_that_it_knows(self):
        sys.path.insert(0, str(ROOT / "examples/provider"))
        try:
            import flags
        finally:
            sys.path.pop(0)
        flags.read_flags([str(word) for word in self.document["services"]["provider"]["command"]])

    def test_the_parts_of_grafana_are_where_its_files_say(self):
        grafana = self.document["services"]["grafana"]
        mounted = {volume.split(":")[1]: (DEPLOY / volume.split(":")[0]).resolve() for volume in grafana["volumes"] if volume.startswith(".")}
        sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/oxpecker.yml").read_text())["datasources"]
        for source in sources:
            variable = re.fullmatch(r"\$\{([A-Z_]+)\}", source["url"]).group(1)
            self.assertIn(variable, grafana["environment"])
        for provider in yaml.safe_load((ROOT / "grafana/provisioning/dashboards/oxpecker.yml").read_text())["providers"]:
            path = pathlib.PurePath(provider["options"]["path"])
            folder = next(there / path.relative_to(here) for here, there in mounted.items() if path.is_relative_to(here))
            self.assertTrue(list(folder.glob("*.json")), f"{path}: no dashboard")

    def test_one_interval(self):
        """Rates in Grafana are taken over windows made from timeInterval: it must be what Prometheus and the sidecar keep to."""
        scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["global"]["scrape_interval"]
        sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/oxpecker.yml").read_text())["datasources"]
        image = yaml.safe_load((DEPLOY / "image.yml").read_text())
        default = re.search(r"`OXPECKER_STORAGE_SAMPLE_INTERVAL` \|[^|]*\| `(\w+)`", OPTIONS).group(1)
        sample = self.document["services"]["oxpecker"]["environment"].get("OXPECKER_STORAGE_SAMPLE_INTERVAL", image["storage"].get("sample_interval", default))
        self.assertEqual({source["jsonData"]["timeInterval"] for source in sources} | {scrape}, {sample})

    def test_prometheus_takes_its_file(self):
        document = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        self.assertEqual(document["scrape_configs"], [{"job_name": "oxpecker", "static_configs": [{"targets": ["oxpecker:10108"]}]}])
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        with tempfile.TemporaryDirectory() as folder:  # with the rules where the compose file mounts them
            file = pathlib.Path(folder, "prometheus.yml")
            file.write_text((DEPLOY / "prometheus.yml").read_text().replace("/etc/prometheus/rules/", f"{ROOT}/alerts/rulefiles/"))
            answer = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, timeout=120)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)


# ---- Kubernetes


def pod_faults(document):
    pod, faults = document["spec"]["template"]["spec"], []

    def expect(condition, text):
        if not condition:
            faults.append(text)

    security = pod["securityContext"]
    expect(security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0 and security.get("runAsGroup", 0) > 0, "root")
    expect(security.get("fsGroup") == 65532, "the volumes' group")
    expect(security.get("seccompProfile") == {"type": "RuntimeDefault"}, "seccomp")
    expect(not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), "the host's namespaces")
    sidecars = [container for container in pod.get("initContainers", []) if container.get("restartPolicy") == "Always"]
    expect([container["name"] for container in sidecars] == ["oxpecker"], "no native sidecar")
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in document["spec"]["volumeClaimTemplates"]}
    mounts = {}
    for container in pod.get("initContainers", []) + pod["containers"]:
        name, own = container["name"], container.get("securityContext", {})
        expect(own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
               f"{name}: security")
        expect("memory" in container["resources"]["limits"], f"{name}: no limit")
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            ask = container.get(kind, {}).get("httpGet")
            expect(ask is None or ask["port"] in ports, f"{name}: {kind} at no port")
            expect(ask is None or ask["path"] in (HTTP_PATHS if name == "oxpecker" else {"/health"}), f"{name}: {kind} at no path")
        for mount in container["volumeMounts"]:
            expect(mount["name"] in volumes, f"{name}: no volume {mount['name']}")
            mounts.setdefault(mount["name"], {})[name] = mount["mountPath"]
    expect(mounts.get("events") == {"oxpecker": "/run/oxpecker", "orchestrator": "/run/oxpecker"}, "the socket's volume is not shared")
    expect(volumes == set(mounts), "volumes that nobody has")
    for container in sidecars:
        faults += unknown_words(container.get("args", []), FLAGS)
        expect({"name": "metrics", "containerPort": 10108} in container["ports"], "no port metrics")
        expect("startupProbe" in container, "the orchestrator does not wait")
        expect("livenessProbe" in container and container["livenessProbe"]["httpGet"]["path"] == "/-/healthy", "lives by another path")
    for container in pod["containers"]:
        faults += unknown_words(container["args"], orchestrator_flags())
        for variable in container["env"]:
            expect(variable["name"] in orchestrator_variables(), f"{variable['name']} is no variable")
    expect(pod.get("terminationGracePeriodSeconds", 30) > 40, "stopped in the middle of both graces")
    expect(pod.get("automountServiceAccountToken") is False, "a token that nobody needs")
    labels = document["spec"]["template"]["metadata"]["labels"]
    expect(document["spec"]["selector"]["matchLabels"].items() <= labels.items(), "selects no pod of its own")
    return faults


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Kubernetes(Rejects):
    def setUp(self):
        self.documents = {path.name: yaml.safe_load(path.read_text()) for path in (DEPLOY / "kubernetes").glob("*.yml")}

    def test_pod(self):
        def pod(change):
            return lambda document: change(document["spec"]["template"]["spec"])

        self.hold(pod_faults, self.documents["statefulset.yml"], [
            ("root", pod(lambda p: p["securityContext"].update(runAsUser=0))),
            ("no group of the volumes", pod(lambda p: p["securityContext"].pop("fsGroup"))),
            ("no seccomp", pod(lambda p: p["securityContext"].pop("seccompProfile"))),
            ("an init container that must end", pod(lambda p: p["initContainers"][0].pop("restartPolicy"))),
            ("a root that can be written", pod(lambda p: p["containers"][0]["securityContext"].pop("readOnlyRootFilesystem"))),
            ("capabilities", pod(lambda p: p["initContainers"][0]["securityContext"].update(capabilities={"add": ["NET_ADMIN"]}))),
            ("a probe at no path", pod(lambda p: p["initContainers"][0]["livenessProbe"]["httpGet"].update(path="/live"))),
            ("a probe at no port", pod(lambda p: p["initContainers"][0]["readinessProbe"]["httpGet"].update(port="http"))),
            ("no startup probe", pod(lambda p: p["initContainers"][0].pop("startupProbe"))),
            ("another folder for the socket", pod(lambda p: p["containers"][0]["volumeMounts"][0].update(mountPath="/socket"))),
            ("no such flag", pod(lambda p: p["initContainers"][0].update(args=["--storage.size=1"]))),
            ("no such flag of the orchestrator", pod(lambda p: p["containers"][0]["args"].append("--size=1"))),
            ("too little time", pod(lambda p: p.update(terminationGracePeriodSeconds=30))),
        ])

    def test_configuration(self):
        text = self.documents["configmap.yml"]["data"]["oxpecker.yml"]
        configuration = check_config(self, text)
        pod = self.documents["statefulset.yml"]["spec"]["template"]["spec"]
        sidecar = pod["initContainers"][0]
        paths = {mount["mountPath"] for mount in sidecar["volumeMounts"]}
        self.assertEqual(configuration["events"]["listen_unix"], SOCKET)
        for path in (configuration["storage"]["path"], configuration["orchestrator"]["checkpoint_path"], str(pathlib.PurePath(CONFIG).parent)):
            self.assertIn(path, paths)
        self.assertIn({"name": "configuration", "configMap": {"name": self.documents["configmap.yml"]["metadata"]["name"]}}, pod["volumes"])
        self.assertIn(f"\nENV OXPECKER_CONFIG_FILE={CONFIG}\n", (ROOT / "Dockerfile").read_text())
        self.assertEqual(configuration["orchestrator"]["health_url"].rsplit(":", 1)[1], "8000/health")

    def test_everything_hangs_together(self):
        listed = self.documents.pop("kustomization.yml")
        self.assertEqual(sorted(listed["resources"]), sorted(self.documents))
        workload, monitor = self.documents["statefulset.yml"], self.documents["podmonitor.yml"]["spec"]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        self.assertLessEqual(monitor["selector"]["matchLabels"].items(), labels.items())
        self.assertEqual([(end["port"], end["path"]) for end in monitor["podMetricsEndpoints"]], [("metrics", "/metrics")])
        # the job of both is the same
        self.assertEqual(labels[monitor["jobLabel"]],
                         yaml.safe_load(self.documents["configmap.yml"]["data"]["oxpecker.yml"])["orchestrator"]["service"])
        namespace = self.documents["namespace.yml"]["metadata"]
        self.assertEqual(namespace["labels"]["pod-security.kubernetes.io/enforce"], "restricted")
        for name, document in self.documents.items():
            self.assertIn("apiVersion", document)
            self.assertEqual(document["metadata"].get("namespace", namespace["name"]), namespace["name"], name)
        containers = workload["spec"]["template"]["spec"]
        self.assertEqual({image["name"] for image in listed["images"]}, {c["image"] for c in containers["initContainers"] + containers["containers"]})
        self.assertEqual(containers["serviceAccountName"], self.documents["serviceaccount.yml"]["metadata"]["name"])


    def test_rules(self):
        """The manifest is the rule files as they are, and what the operator's CRD takes."""
        script = DEPLOY / "kubernetes/rules.py"
        self.assertEqual(run(sys.executable, script, "--check"), (0, "", ""))
        groups = []
        for name in ("orchestrator", "prometheus-only"):
            groups += yaml.safe_load((ROOT / f"alerts/rulefiles/{name}.yml").read_text())["groups"]
        manifest = self.documents["prometheusrule.yml"]
        self.assertEqual((manifest["apiVersion"], manifest["kind"], list(manifest["spec"])), ("monitoring.coreos.com/v1", "PrometheusRule", ["groups"]))
        self.assertEqual(manifest["spec"]["groups"], groups)
        self.assertEqual(len({group["name"] for group in groups}), len(groups))
        for group in groups:
            self.assertLessEqual(set(group), {"name", "interval", "rules"})
            for rule in group["rules"]:
                self.assertLessEqual(set(rule), {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"})
        # Alertmanager takes alerts of the sidecar and of Prometheus for two: only one of them sends.
        configuration = yaml.safe_load(self.documents["configmap.yml"]["data"]["oxpecker.yml"])
        self.assertNotIn("alerting", configuration)

    def test_rules_that_changed_are_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            for path in ("deploy/kubernetes", "alerts/rulefiles"):
                shutil.copytree(ROOT / path, tree / path, ignore=shutil.ignore_patterns("__pycache__"))
            script, rules = tree / "deploy/kubernetes/rules.py", tree / "alerts/rulefiles/orchestrator.yml"
            rules.write_text(rules.read_text().replace("for: 2m", "for: 3m", 1))
            status, _, said = run(sys.executable, script, "--check")
            self.assertEqual((status, "prometheusrule.yml" in said), (1, True), said)
            self.assertEqual(run(sys.executable, script)[0], 0)
            self.assertEqual(run(sys.executable, script, "--check"), (0, "", ""))
            self.assertIn("for: 3m", (tree / "deploy/kubernetes/prometheusrule.yml").read_text())

    def test_kustomize_takes_it(self):
        if not shutil.which("kubectl"):
            self.skipTest("kubectl is not installed")
        with tempfile.TemporaryDirectory() as folder:  # with the label that the page says to add
            shutil.copytree(DEPLOY / "kubernetes", folder, dirs_exist_ok=True)
            added = re.search(r"^labels: .*$", WALKTHROUGH, re.M).group(0)
            with open(pathlib.Path(folder, "kustomization.yml"), "a") as file:
                file.write(added + "\n")
            status, made, said = run("kubectl", "kustomize", folder)
        self.assertEqual(status, 0, said)
        documents = {document["kind"]: document for document in yaml.safe_load_all(made)}
        self.assertLessEqual({"PodMonitor", "PrometheusRule", "StatefulSet"}, set(documents))
        for kind in ("PodMonitor", "PrometheusRule"):
            self.assertEqual(documents[kind]["metadata"]["labels"]["release"], "kube-prometheus-stack")
        self.assertEqual(documents["StatefulSet"]["spec"]["selector"]["matchLabels"], {"app.kubernetes.io/name": "collector"})


# ---- ECS


def task_faults(task):
    faults = []

    def expect(condition, text):
        if not condition:
            faults.append(text)

    volumes, mounts = {volume["name"] for volume in task["volumes"]}, {}
    containers = {container["name"]: container for container in task["containerDefinitions"]}
    expect(set(containers) == {"oxpecker", "orchestrator"}, "containers")
    expect(task["networkMode"] == "awsvpc" and task["requiresCompatibilities"] == ["FARGATE"], "not for Fargate")
    expect(sum(container["memory"] for container in containers.values()) <= int(task["memory"]), "more memory than the task has")
    for name, container in containers.items():
        expect(container.get("user") == USER, f"{name}: user")
        expect(container.get("readonlyRootFilesystem") is True, f"{name}: its root can be written")
        expect(container.get("linuxParameters", {}).get("capabilities") == {"drop": ["ALL"]}, f"{name}: capabilities")
        expect(not container.get("privileged"), f"{name}: privileged")
        expect(20 < container.get("stopTimeout", 30) <= 120, f"{name}: stopTimeout")
        for mount in container["mountPoints"]:
            expect(mount["sourceVolume"] in volumes, f"{name}: no volume {mount['sourceVolume']}")
            mounts.setdefault(mount["sourceVolume"], {})[name] = mount["containerPath"]
        for other in container.get("dependsOn", []):
            expect(other["containerName"] in containers, f"{name}: depends on nobody")
            expect(other["condition"] != "HEALTHY" or "healthCheck" in containers.get(other["containerName"], {}), f"{name}: waits for ever")
        for variable in container.get("environment", []):
            expect(not re.search("KEY|SECRET|TOKEN|PASSWORD", variable["name"]), f"{name}: {variable['name']} stands in the file")
        for secret in container.get("secrets", []):
            expect(secret["valueFrom"].startswith("arn:aws:secretsmanager:"), f"{name}: {secret['name']}")
    expect(mounts.get("events") == {"oxpecker": "/run/oxpecker", "orchestrator": "/run/oxpecker"}, "the socket's volume is not shared")
    expect(volumes == set(mounts), "volumes that nobody has")
    sidecar, orchestrator = containers["oxpecker"], containers["orchestrator"]
    expect(sidecar.get("healthCheck", {}).get("command") == ["CMD", *HEALTHCHECK], "health check")
    expect(sidecar["essential"] is False and orchestrator["essential"] is True, "what is essential")
    expect({"containerName": "oxpecker", "condition": "HEALTHY"} in orchestrator.get("dependsOn", []), "the orchestrator does not wait")
    expect("dependsOn" not in sidecar, "a circle")
    expect(sidecar["portMappings"][0]["containerPort"] == 10108, "port")
    faults += unknown_words(sidecar.get("command", []), FLAGS) + unknown_words(orchestrator["command"], orchestrator_flags())
    for variable in sidecar["environment"]:
        expect(not variable["name"].startswith("OXPECKER_") or variable["name"] in VARIABLES, f"{variable['name']} is no variable")
    for variable in orchestrator["environment"] + orchestrator["secrets"]:
        expect(variable["name"] in orchestrator_variables(), f"{variable['name']} is no variable")
    return faults


def walk(page):
    """The commands of the page's ECS part, in order, each as (service, operation, {option: value}); docker's as ("docker", verb, {})."""
    block = re.search(r"^## ECS\n.*?```console\n(.*?)```", page, re.M | re.S).group(1)
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        for command in re.split(r"\||&&", line.partition("#")[0].removeprefix("$ ")):
            words = shlex.split(command)
            if words[:1] == ["aws"]:
                options = [word for word in words[3:] if word.startswith("--")]
                found.append((words[1], words[2], {option[2:]: words[words.index(option) + 1] for option in options}))
            elif words[:1] == ["docker"]:
                found.append(("docker", words[1], {}))
    return found


def walk_faults(document):
    """Everything that the task names is made on the way, before it is used."""
    task, made, faults = document["task"], set(), []
    needed = {("role", task[key].rsplit("/", 1)[1]) for key in ("executionRoleArn", "taskRoleArn")}
    for container in task["containerDefinitions"]:
        needed.add(("log group", container["logConfiguration"]["options"]["awslogs-group"]))
        needed.add(("repository", container["image"].split("/", 1)[1].split(":")[0]))
        for secret in container.get("secrets", []):
            arn = ":".join(secret["valueFrom"].split(":")[:7])
            needed.add(("secret", re.fullmatch(r".*:secret:(.+)-\w{6}", arn).group(1)))
            if not any(fnmatch.fnmatch(arn, statement["Resource"]) for statement in document["execution"]["Statement"]):
                faults.append(f"{secret['name']} may not be read")
    makers = {("logs", "create-log-group"): ("log group", "log-group-name"), ("iam", "create-role"): ("role", "role-name"),
              ("ecr", "create-repository"): ("repository", "repository-name"), ("secretsmanager", "create-secret"): ("secret", "name"),
              ("ecs", "create-cluster"): ("cluster", "cluster-name")}
    for service, operation, options in walk(document["page"]):
        if (service, operation) in makers:
            kind, option = makers[service, operation]
            made.add((kind, options[option]))
        elif service == "docker":
            made.add(("docker", operation))
            if operation == "push" and not {("docker", "login"), ("docker", "build")} <= made:
                faults.append("pushes before it may")
        elif operation in ("put-role-policy", "attach-role-policy"):
            needed.add(("role", options["role-name"]))
        elif operation == "run-task":
            faults += [f"nobody makes the {kind} {name}" for kind, name in sorted((needed | {("cluster", options["cluster"])}) - made)]
    return faults


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Ecs(Rejects):
    def setUp(self):
        self.task = json.loads((DEPLOY / "ecs/task-definition.json").read_text())

    def test_task(self):
        def put(place, key, value):
            return lambda task: task["containerDefinitions"][place].__setitem__(key, value)

        self.hold(task_faults, self.task, [
            ("root", put(0, "user", "0")),
            ("a root that can be written", put(1, "readonlyRootFilesystem", False)),
            ("no health check", lambda task: task["containerDefinitions"][0].pop("healthCheck")),
            ("a health check by curl", put(0, "healthCheck", {"command": ["CMD-SHELL", "curl -f localhost:10108/-/ready"]})),
            ("started beside it", lambda task: task["containerDefinitions"][1].pop("dependsOn")),
            ("a circle", put(0, "dependsOn", [{"containerName": "orchestrator", "condition": "START"}])),
            ("the default time to stop is too short", put(1, "stopTimeout", 10)),
            ("more than Fargate allows", put(1, "stopTimeout", 300)),
            ("another folder", lambda task: task["containerDefinitions"][1]["mountPoints"][0].update(containerPath="/events")),
            ("no such volume", lambda task: task["volumes"].pop()),
            ("no such flag", put(0, "command", ["--config=/etc/oxpecker/oxpecker.yml"])),
            ("another health check", put(0, "healthCheck", {"command": ["CMD", "/usr/bin/oxpecker", "health"]})),
            ("no such variable", put(0, "environment", [{"name": "OXPECKER_GRACE", "value": "1s"}])),
            ("a key in the file", put(1, "environment", [{"name": "MODEL_API_KEY", "value": "k"}])),
        ])

    def test_the_service_takes_its_fields(self):
        """As far as AWS' own model of the API says: names, types and which must be there."""
        try:
            import botocore.session
            import botocore.validate
        except ImportError:
            self.skipTest("botocore is not installed")
        shape = botocore.session.get_session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape

        def faults(task):
            report = botocore.validate.ParamValidator().validate(task, shape)
            return [report.generate_report()] if report.has_errors() else []

        self.hold(faults, self.task, [
            ("no such field", lambda task: task.update(readOnly=True)),
            ("a text for a number", lambda task: task["containerDefinitions"][0].update(stopTimeout="40")),
            ("no family", lambda task: task.pop("family")),
            ("no such field of a health check", lambda task: task["containerDefinitions"][0]["healthCheck"].update(period=1)),
        ])

    def test_the_page_makes_everything(self):
        def leave_out(*words):
            def change(document):
                lines = document["page"].splitlines(keepends=True)
                document["page"] = "".join(line for line in lines if not all(word in line for word in words))
            return change

        document = {"task": self.task, "page": WALKTHROUGH, "execution": json.loads((DEPLOY / "ecs/execution-policy.json").read_text())}
        self.hold(walk_faults, document, [
            ("no log group", leave_out("aws logs create-log-group")),
            ("no execution role", leave_out("create-role", "collector-execution")),
            ("no role of the task", leave_out("create-role", "collector-task")),
            ("no repository", leave_out("aws ecr create-repository")),
            ("no login", leave_out("docker login")),
            ("no cluster", leave_out("aws ecs create-cluster")),
            ("no secret", leave_out("aws secretsmanager create-secret")),
            ("another secret", lambda d: d["execution"]["Statement"][0].update(Resource="arn:aws:secretsmanager:us-east-1:123456789012:secret:other-*")),
        ])

    def test_the_commands_of_the_page_exist(self):
        try:
            import botocore.session
            from botocore import xform_name
        except ImportError:
            self.skipTest("botocore is not installed")
        session, commands = botocore.session.get_session(), [command for command in walk(WALKTHROUGH) if command[0] != "docker"]
        self.assertGreater(len(commands), 8)
        for service, operation, options in commands:
            with self.subTest(f"{service} {operation}"):
                if (service, operation) == ("ecr", "get-login-password"):  # the command line's own
                    continue
                model = session.get_service_model(service)
                names = {xform_name(name, "-"): name for name in model.operation_names}
                shape = model.operation_model(names[operation]).input_shape
                known = {xform_name(name, "-") for name in shape.members}
                required = {xform_name(name, "-") for name in shape.required_members}
                given = set(options) - {"cli-input-json"}
                self.assertLessEqual(given, known)
                self.assertTrue(required <= given or "cli-input-json" in options, required - given)

    def test_configuration_and_policy(self):
        configuration = check_config(self, (DEPLOY / "ecs/oxpecker.yml").read_text())
        self.assertEqual(configuration["events"]["listen_unix"], SOCKET)
        self.assertIn(configuration["storage"]["path"], [m["containerPath"] for m in self.task["containerDefinitions"][0]["mountPoints"]])
        policy = json.loads((DEPLOY / "ecs/policy.json").read_text())
        _, made, said = run(OXPECKER, "cloudwatch", "policy", f"--config.file={DEPLOY}/ecs/oxpecker.yml")
        self.assertTrue(made, said)
        made = json.loads(made)
        # What the daemon itself does is publishing; alarms are for whoever applies the plan.
        self.assertEqual(policy["Statement"], [s for s in made["Statement"] if s["Sid"] == "OxpeckerPublish"])
        self.assertEqual(policy["Version"], made["Version"])
        execution = json.loads((DEPLOY / "ecs/execution-policy.json").read_text())
        self.assertEqual([statement["Action"] for statement in execution["Statement"]], [["secretsmanager:GetSecretValue"]])
        trust = json.loads((DEPLOY / "ecs/trust.json").read_text())
        self.assertEqual(trust["Statement"][0]["Principal"], {"Service": "ecs-tasks.amazonaws.com"})
        own = (DEPLOY / "ecs/Dockerfile").read_text()
        self.assertIn(f"COPY oxpecker.yml {CONFIG}\n", own)


# ---- the images and the unit


@unittest.skipUnless(yaml, "python3-yaml is not installed")
class Images(unittest.TestCase):
    def test_the_image_says_what_the_others_rely_on(self):
        text = (ROOT / "Dockerfile").read_text()
        last = text[text.rindex("\nFROM "):]
        self.assertIn(f"\nUSER {USER}\n", last)
        self.assertEqual(json.loads(re.search(r"^VOLUME (.*)$", last, re.M).group(1)), ["/run/oxpecker", "/var/lib/oxpecker"])
        self.assertEqual(json.loads(re.search(r"^HEALTHCHECK .*CMD (.*)$", last, re.M).group(1)), HEALTHCHECK)
        self.assertEqual(json.loads(re.search(r"^ENTRYPOINT (.*)$", last, re.M).group(1)), ["/usr/bin/oxpecker"])
        self.assertIsNone(re.search(r"^CMD ", last, re.M), "flags there would be lost with the first flag that is given")
        self.assertEqual(dict(re.findall(r"^ENV (\w+)=(\S+)$", last, re.M)), {"OXPECKER_CONFIG_FILE": CONFIG})
        configuration = check_config(self, (DEPLOY / "image.yml").read_text())
        self.assertEqual((configuration["events"]["listen_unix"], configuration["storage"]["path"]), (SOCKET, "/var/lib/oxpecker"))

    def test_by_hand(self):
        """What the page says to run in the container finds the configuration, with the image's environment and nothing else."""
        commands = [shlex.split(words) for words in re.findall(r"`docker exec ID /usr/bin/oxpecker ([^`]+)`|`… ([^`]+)`", WALKTHROUGH)
                    for words in words if words]
        self.assertEqual([words[0] for words in commands], ["alerts", "query", "outbox"])
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "oxpecker.yml")
            text = (DEPLOY / "image.yml").read_text().replace("/var/lib/oxpecker", folder)
            with Sidecar(f"--storage.path={folder}") as sidecar:
                file.write_text(text.replace(":10108", f"127.0.0.1:{sidecar.port}"))
                environment = dict(re.findall(r"^ENV (\w+)=(\S+)$", (ROOT / "Dockerfile").read_text(), re.M))
                environment = {name: value.replace(CONFIG, str(file)) for name, value in environment.items()}
                sidecar.send_signal(signal.SIGHUP)  # what is noted makes the outbox, whose file is there before its tables
                wait_for(lambda: json.loads(sidecar.request("/api/oxpecker/v1/notifications")[2])["notes"], what="a note of the reload")
                for words in [*commands, HEALTHCHECK[1:]]:
                    with self.subTest(words):
                        status, _, said = run(OXPECKER, *words, **environment)
                        self.assertEqual((status, said), (0, ""))

    def test_the_images_of_the_demo(self):
        text = (DEPLOY / "demo.Dockerfile").read_text()
        for stage in re.split(r"\nFROM ", text)[2:]:
            self.assertIn(f"\nUSER {USER}\n", stage)
            self.assertIn("\nENTRYPOINT [", stage)
        for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.M):
            self.assertTrue(source == "." or list(ROOT.glob(source)), source)


class Unit(unittest.TestCase):
    FILE = DEPLOY / "systemd/oxpecker.service"

    def settings(self):
        found = {}
        for line in self.FILE.read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                found.setdefault(line.split("=", 1)[0], []).append(line.split("=", 1)[1])
        return found

    def test_settings(self):
        unit = self.settings()
        for words in unit["ExecStart"] + unit["ExecStartPre"]:
            self.assertEqual(unknown_words(words.split(), FLAGS), [])
            self.assertTrue(words.startswith("/usr/bin/oxpecker "))
        for variable in re.findall(r"(OXPECKER_\w+)=", unit["Environment"][0]):
            self.assertIn(variable, VARIABLES)
        # After= waits for READY=1, which the sidecar itself sends (test_lifecycle): who is ordered after it finds the socket.
        self.assertEqual((unit["Type"], unit["NotifyAccess"]), (["notify"], ["main"]))
        self.assertEqual(unit["User"], ["oxpecker"])
        self.assertRegex((DEPLOY / "systemd/oxpecker.sysusers.conf").read_text(), r"(?m)^u oxpecker - ")
        self.assertGreater(int(unit["TimeoutStopSec"][0].rstrip("s")), 20)
        self.assertEqual((unit["RuntimeDirectory"], unit["StateDirectory"]), (["oxpecker"], ["oxpecker"]))

    def test_systemd_reads_it(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder, "oxpecker.service")
            for text, right in ((self.FILE.read_text(), True), (self.FILE.read_text().replace("PrivateTmp", "PrivateTemp"), False)):
                unit.write_text(text.replace("/usr/bin/oxpecker", "/bin/true"))
                answer = subprocess.run(["systemd-analyze", "--man=no", "verify", unit], capture_output=True, text=True, timeout=120)
                said = [line for line in answer.stderr.splitlines() if "oxpecker" in line]
                self.assertEqual((answer.returncode == 0 and not said), right, answer.stderr)
            unit.write_text(self.FILE.read_text())
            answer = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=13", unit], capture_output=True,
                                    text=True, timeout=120)
        exposure = re.search(r"exposure level for oxpecker\.service: ([0-9.]+)", answer.stdout)
        self.assertTrue(exposure, answer.stdout + answer.stderr)
        print(f"systemd-analyze security: {exposure.group(1)} (at most 1.3)")
        self.assertLessEqual(float(exposure.group(1)), 1.3)


class Page(unittest.TestCase):
    def test_every_file_that_it_names_exists(self):
        text = WALKTHROUGH
        named = set(re.findall(r"\b((?:deploy|scripts|examples)/[\w./-]*\w)", text))
        self.assertGreater(len(named), 10)
        for name in named:
            self.assertTrue((ROOT / name).exists(), name)
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            self.assertTrue((ROOT / "docs" / link).exists(), link)
        for variable in re.findall(r"OXPECKER_[A-Z_]+[A-Z]", text):
            self.assertIn(variable, VARIABLES)
        self.assertEqual(unknown_words(re.findall(r"^\$ oxpecker .*?(--[a-z.-]+)", text, re.M), FLAGS), [])


if __name__ == "__main__":
    unittest.main()
