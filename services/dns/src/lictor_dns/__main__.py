"""`python -m lictor_dns`: run one dns, or several on one port. `--worker` is for a parent (`lictor_kit.workers`)."""

import os
import secrets
import sys

from lictor_dns.app import ROLE, build, build_worker, build_workers
from lictor_dns.cookie_secrets import CookieSecrets
from lictor_dns.settings import DnsSettings
from lictor_dns.siphash import KEY_BYTES
from lictor_kit import load, run
from lictor_kit.workers import descriptor_of


def main() -> None:
    """Read the settings and run."""
    arguments = sys.argv[1:]
    descriptor = descriptor_of(arguments)
    if descriptor is not None:
        settings = load(DnsSettings, (), os.environ).model_copy(update={"operations_port": 0})
        run(ROLE, settings, lambda context: build_worker(context, settings, descriptor))
    settings = load(DnsSettings, arguments, os.environ)
    try:
        CookieSecrets(settings.dns_cookie_secrets, settings.dns_cookie_secrets_file)
    except (OSError, ValueError) as error:
        print(f"lictor: {error}", file=sys.stderr)  # noqa: T201  logging is not configured yet
        raise SystemExit(2) from None
    if settings.workers == 1:
        run(ROLE, settings, lambda context: build(context, settings))
    if not settings.dns_port:
        print("lictor: LICTOR_WORKERS needs a port: LICTOR_DNS_PORT is 0", file=sys.stderr)  # noqa: T201  as above
        raise SystemExit(2)
    # A client's datagrams come to any worker: each must know the cookies of the others.
    os.environ.setdefault("LICTOR_DNS_COOKIE_SECRETS", secrets.token_hex(KEY_BYTES))
    run(ROLE, settings, lambda context: build_workers(context, settings))


if __name__ == "__main__":
    main()
