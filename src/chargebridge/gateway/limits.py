"""Limits of the operating system: open files."""

import resource
from typing import Final

SPARE_DESCRIPTORS: Final = 128
"""Open files for everything that is not a link: the store, the API, drivers, logs."""


class TooManyChargePointsError(RuntimeError):
    """The fleet needs more file descriptors than this process may open."""


def allow_links(count: int) -> int:
    """Raise the limit of open files as far as allowed and see that this many links fit.

    Args:
        count: links, one file descriptor each.

    Returns:
        The limit now in force.

    Raises:
        TooManyChargePointsError: they do not fit; names the limit and the remedy.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, soft), hard))
        soft = max(most, soft)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raise TooManyChargePointsError(
            f"{count} charge points need {wanted} open files and this process may have {soft};"
            f" raise its limit, for example with: ulimit -n {wanted} (or LimitNOFILE= in a systemd unit)"
        )
    return soft
