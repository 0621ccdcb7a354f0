"""The control paths: what tests and people at a terminal use. No key, no latency, no faults."""
from faults import KINDS
from state import TIMEOUT_MAX, Refusal

ENDS = {"error": "ERROR", "time_out": "TIMED_OUT", "complete": "COMPLETED"}


def show(provider, _request):
    state = provider.state
    state.settle_all()
    return {"now": round(state.clock.now(), 3), "timeScale": state.clock.scale, "concurrency": state.concurrency,
            "createRate": state.create_rate, "live": state.count_live(), "calls": {name: dict(counts) for name, counts in provider.calls.items()},
            "faults": provider.faults.shown(),
            "usage": state.usage(), "sessions": [{**state.shown(s), "connected": s.connected} for s in state.sessions.values()]}


def list_faults(provider, _request):
    return provider.faults.shown()


def add_faults(provider, request):
    return provider.faults.add(request.body)


def clear_faults(provider, request):
    provider.faults.clear(int(request.number) if request.number else None)
    return provider.faults.shown()


def put_forward(provider, request):
    seconds = request.body.get("advance") if isinstance(request.body, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= 10 * TIMEOUT_MAX:
        raise Refusal(400, f"advance must be a number of seconds from 0 to {10 * TIMEOUT_MAX}")
    provider.state.clock.put_forward += seconds
    return {"now": round(provider.state.clock.now(), 3)}


def change_session(provider, request):
    do = request.body.get("do") if isinstance(request.body, dict) else None
    state, session = provider.state, provider.state.live(request.session)
    if do == "connect":
        state.connect(session)
    elif do == "disconnect":
        state.disconnect(session)
    elif isinstance(do, str) and do in ENDS:
        state.end_at(session, ENDS[do], 0)
    else:
        raise Refusal(400, f"do must be one of connect, disconnect, {', '.join(ENDS)}")
    return state.shown(session)


def health(_provider, _request):
    return {"status": "healthy"}


def kinds(_provider, _request):
    return {name: {"how": kind.how, "where": list(kind.places), "status": kind.status, "code": kind.code} for name, kind in KINDS.items()}
