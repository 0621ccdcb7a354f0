"""Browserbase's session API: what a client may send, and what each path answers."""
from state import METADATA_MAX, REGIONS, STATUSES, TIMEOUT_MAX, TIMEOUT_MIN, Refusal, metadata_length, read_query

CREATION = ("projectId", "region", "keepAlive", "timeout", "browserSettings", "proxies", "proxySettings", "extensionId", "userMetadata")


def need(condition, text):
    if not condition:
        raise Refusal(400, text)


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def check_project(state, body):
    project = body.get("projectId")
    need(project is None or isinstance(project, str), "body/projectId must be string")
    if project is not None and project != state.settings.project:
        raise Refusal(403, f"Forbidden: the key does not belong to project {project}")


def read_creation(body):
    """The fields that count, checked; null stands for absent; fields that nobody knows are passed over, as a newer SDK's would be."""
    need(isinstance(body, dict), "body must be object")
    body = {key: value for key, value in body.items() if key in CREATION and value is not None}
    need(body.get("region", REGIONS[0]) in REGIONS, f"body/region must be one of {', '.join(REGIONS)}")
    need(isinstance(body.get("keepAlive", False), bool), "body/keepAlive must be boolean")
    timeout = body.get("timeout", TIMEOUT_MIN)
    need(is_integer(timeout), "body/timeout must be integer")
    need(timeout >= TIMEOUT_MIN, f"body/timeout must be >= {TIMEOUT_MIN}")
    need(timeout <= TIMEOUT_MAX, f"body/timeout must be <= {TIMEOUT_MAX}")
    need(isinstance(body.get("proxies", False), (bool, list)), "body/proxies must be boolean or array")
    settings = body.get("browserSettings", {})
    need(isinstance(settings, dict), "body/browserSettings must be object")
    context = settings.get("context", {})
    need(isinstance(context, dict) and isinstance(context.get("id", ""), str), "body/browserSettings/context must be object with id")
    metadata = body.get("userMetadata", {})
    need(isinstance(metadata, dict), "body/userMetadata must be object")
    if metadata_length(metadata) >= METADATA_MAX:
        raise Refusal(422, f"body/userMetadata must be under {METADATA_MAX} characters as JSON")
    return body


def create(state, request):
    wanted = read_creation(request.body)
    check_project(state, wanted)
    session = state.create(wanted)
    return {**state.shown(session), **urls(request, session)}


def urls(request, session):
    return {"connectUrl": f"ws://{request.host}/connect?sessionId={session.id}&signingKey={session.signing_key}",
            "seleniumRemoteUrl": f"http://{request.host}/webdriver", "signingKey": session.signing_key}


def retrieve(state, request):
    session = state.find(request.session)
    return {**state.shown(session), **(urls(request, session) if session.live() else {})}


def list_sessions(state, request):
    status, query = request.query.get("status"), request.query.get("q")
    need(status is None or status in STATUSES, f"querystring/status must be one of {', '.join(STATUSES)}")
    return state.listed(status, None if query is None else read_query(query))


def release(state, request):
    need(isinstance(request.body, dict), "body must be object")
    need(request.body.get("status") == "REQUEST_RELEASE", "body/status must be REQUEST_RELEASE")
    check_project(state, request.body)
    session = state.find(request.session)
    state.release(session)  # of one that has ended: no harm, nothing to do
    return state.shown(session)


def debug(state, request):
    session = state.live(request.session)
    base = f"http://{request.host}/devtools/{session.id}"
    page = {"id": session.id.replace("-", "").upper(), "url": session.url, "title": "", "faviconUrl": "",
            "debuggerUrl": base, "debuggerFullscreenUrl": base + "/fullscreen"}
    return {"debuggerUrl": base, "debuggerFullscreenUrl": base + "/fullscreen", "pages": [page],
            "wsUrl": f"ws://{request.host}/debug/{session.id}"}


def shown_project(state):
    began = state.clock.text(0)
    return {"id": state.settings.project, "name": "Local provider", "ownerId": "owner-1", "createdAt": began, "updatedAt": began,
            "concurrency": state.concurrency, "defaultTimeout": state.settings.default_timeout}


def find_project(state, request):
    if request.project != state.settings.project:
        raise Refusal(404, f"Project with id {request.project} not found")


def project(state, request):
    find_project(state, request)
    return shown_project(state)


def projects(state, _request):
    return [shown_project(state)]


def usage(state, request):
    find_project(state, request)
    return state.usage()
