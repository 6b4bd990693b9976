"""The short tour that `lictor dev` prints when everything is ready."""

from lictor_cli.dev.plan import HOST, Options, Ports


def tour(options: Options, ports: Ports) -> list[str]:
    """Four commands to try, their effect in a line each."""
    http = f"http://{HOST}:{ports.http}"
    tries = [
        (f"curl '{http}/v1/health/service/backend?passing'", "the healthy instances of a service"),
        (f"dig @{HOST} -p {ports.dns} backend.service.consul SRV", "the same through DNS"),
        (f"curl -X PUT -d hello {http}/v1/kv/greeting", "a write that three servers agree on before it is answered"),
    ]
    if options.demo:
        tries.insert(0, (f"curl http://{HOST}:{ports.frontend}/", "frontend → Envoy → mTLS → Envoy → a backend"))
    else:
        tries.append((f"curl {http}/v1/agent/members", "who is in the pool"))
    width = max(len(command) for command, _ in tries)
    return ["try:", *(f"  {command:<{width}}  # {effect}" for command, effect in tries), "Ctrl-C ends everything."]
