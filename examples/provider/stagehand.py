"""Stagehand's v3 REST API: calls on a session that return {success, data: {result, …}}, or the same as a stream of events."""
import uuid

import browserbase
from state import Refusal

MODEL = "openai/gpt-4.1-mini"
DEPTH_MAX = 8


def need(condition, text):
    if not condition:
        raise Refusal(400, text, "VALIDATION_ERROR")


def usage(state, kind, seconds):
    """What a model call costs; an agent's is as many calls."""
    calls = state.random.randint(2, 5) if kind == "agent" else 1
    tokens = {"inputTokens": calls * state.random.randint(800, 4000), "outputTokens": calls * state.random.randint(20, 300),
              "timeMs": round(1000 * seconds) + calls * state.random.randint(50, 400)}
    return tokens


def sample(state, schema, depth=0):
    """Something that a JSON Schema would accept: what a model would have read from the page."""
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return None
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties")
        return {name: sample(state, inner, depth + 1) for name, inner in (properties if isinstance(properties, dict) else {}).items()}
    if kind == "array":
        return [sample(state, schema.get("items"), depth + 1) for _ in range(3)]
    return {"string": f"text {state.random.randint(1, 999)}", "integer": state.random.randint(1, 999),
            "number": round(state.random.uniform(1, 999), 2), "boolean": True}.get(kind)


def start(state, request):
    """A session of its own, or one that was created before (browserbaseSessionID)."""
    body = request.body
    need(isinstance(body, dict), "body must be object")
    need(isinstance(body.get("modelName"), str) and body["modelName"], "body/modelName is required")
    old = body.get("browserbaseSessionID")
    need(old is None or isinstance(old, str), "body/browserbaseSessionID must be string")
    if old is not None:
        session = state.live(old)
    else:
        wanted = browserbase.read_creation(body.get("browserbaseSessionCreateParams") or {})
        browserbase.check_project(state, wanted)
        session = state.create(wanted)
    session.model = body["modelName"]
    state.connect(session)
    return {"sessionId": session.id, "cdpUrl": browserbase.urls(request, session)["connectUrl"], "available": True}


def end(state, request):
    session = state.find(request.session)
    state.release(session)
    return {}


def navigate(state, session, body, fault):
    need(isinstance(body.get("url"), str) and body["url"].startswith(("http://", "https://")), "body/url must be an http or https URL")
    session.url = body["url"]
    status = fault.status if fault else 200
    return {"url": session.url, "status": status, "ok": status < 400}


def action(method="click"):
    return {"selector": "xpath=/html/body/main/form/button[1]", "description": "the submit button", "method": method, "arguments": []}


def act(_state, _session, body, fault):
    need(isinstance(body.get("input"), (str, dict)) and body["input"], "body/input must be a text or an action")
    if fault:
        return {"success": False, "message": "No action found", "actionDescription": str(body["input"])[:200], "actions": []}
    return {"success": True, "message": "Action [click] performed successfully", "actionDescription": "the submit button",
            "actions": [action()]}


def extract(state, _session, body, _fault):
    need(isinstance(body.get("instruction", ""), str), "body/instruction must be string")
    need(isinstance(body.get("schema", {}), dict), "body/schema must be object")
    schema = body.get("schema")
    return sample(state, schema) if schema else {"extraction": f"a text about {body.get('instruction', 'the page')}"}


def observe(_state, _session, body, fault):
    need(isinstance(body.get("instruction", ""), str), "body/instruction must be string")
    return [] if fault else [action(), action("fill")]


def agent(_state, session, body, fault):
    options = body.get("executeOptions")
    need(isinstance(options, dict) and isinstance(options.get("instruction"), str), "body/executeOptions/instruction must be string")
    need(isinstance(body.get("agentConfig", {}), dict), "body/agentConfig must be object")
    done = not fault
    return {"success": done, "completed": done, "message": "The task is done" if done else "The step limit was reached",
            "actions": [{"type": "act", "action": "click", "taskCompleted": done, "pageUrl": session.url}]}


# By the name in the path: what it is called here, what it does, whether it asks a model.
CALLS = {"navigate": ("navigate", navigate, False), "act": ("act", act, True), "extract": ("extract", extract, True),
         "observe": ("observe", observe, True), "agentExecute": ("agent", agent, True)}


def call(state, request, fault):
    """One call on a session. Gives {result, actionId, tokenUsage?, cacheHit?}."""
    name, does, asks_model = CALLS[request.call]
    session = state.live(request.session)
    need(isinstance(request.body, dict), "body must be object")
    began = state.clock.now()
    result = does(state, session, request.body, fault)
    state.command(session, state.random.randint(5_000, 500_000))
    answer = {"result": result, "actionId": str(uuid.uuid4())}
    if asks_model:
        hit = name != "agent" and state.random.random() < state.settings.cache
        answer["tokenUsage"] = {"inputTokens": 0, "outputTokens": 0, "timeMs": 0} if hit else usage(state, name, request.waited)
        if name != "agent":
            answer["cacheHit"] = hit
        else:
            tokens = answer["tokenUsage"]
            result["usage"] = {"input_tokens": tokens["inputTokens"], "output_tokens": tokens["outputTokens"],
                               "inference_time_ms": tokens["timeMs"]}
    session.actions.append({"method": name, "url": session.url, "timestamp": round(1000 * (state.clock.began_wall + began)),
                            "tokenUsage": answer.get("tokenUsage")})
    del session.actions[:-500]
    return answer


def replay(state, request):
    session = state.find(request.session)
    pages = []
    for done in session.actions:
        if not pages or pages[-1]["url"] != done["url"]:
            pages.append({"url": done["url"], "timestamp": done["timestamp"], "duration": 0, "actions": []})
        shown = {"method": done["method"], "parameters": {}, "result": {}, "timestamp": done["timestamp"]}
        if done["tokenUsage"]:
            shown["tokenUsage"] = done["tokenUsage"]
        pages[-1]["actions"].append(shown)
        pages[-1]["duration"] = done["timestamp"] - pages[-1]["timestamp"]
    return {"pages": pages}


def event(status, kind="system", **data):
    return {"type": kind, "id": str(uuid.uuid4()), "data": {"status": status, **data}}


def log(text, level=1):
    return event("running", "log", message={"category": "action", "message": text, "level": level})
