"""The contract of drivers (`chargebridge.drivers`) as a suite: one check for each sentence.

A `Rig` describes your driver and its chargers; each check runs against a fresh one. With pytest:

```python
@pytest.mark.parametrize("check", contract.CHECKS, ids=str)
def test_the_driver_keeps_its_contract(check, tmp_path):
    asyncio.run(check.run(my_rig, tmp_path))
```

With unittest, in a test case:

```python
for check in contract.CHECKS:
    with self.subTest(str(check)), tempfile.TemporaryDirectory() as folder:
        asyncio.run(check.run(my_rig, Path(folder)))
```

where `my_rig(folder)` is an asynchronous context manager that yields a `Rig`. A check that fails raises
`ContractBroken`, which has the sentence, what was expected and what was received. What a rig cannot do
(a charger without a reader, for example) raises `unittest.SkipTest`, which every test framework shows as
skipped.
"""

from chargebridge.testing.contract.check import Check, RigFactory
from chargebridge.testing.contract.cloud_checks import CLOUD_CHECKS
from chargebridge.testing.contract.command_checks import COMMAND_CHECKS
from chargebridge.testing.contract.event_checks import EVENT_CHECKS
from chargebridge.testing.contract.lifecycle_checks import LIFECYCLE_CHECKS
from chargebridge.testing.contract.recorder import ContractBroken, Recorder
from chargebridge.testing.contract.rig import Charger, Rig, WrongSettings
from chargebridge.testing.contract.session_checks import SESSION_CHECKS

CHECKS: tuple[Check, ...] = (
    *LIFECYCLE_CHECKS,
    *EVENT_CHECKS,
    *COMMAND_CHECKS,
    *SESSION_CHECKS,
    *CLOUD_CHECKS,
)
"""All checks, in the order in which a driver is written: first it starts, last its sessions add up."""

__all__ = ["CHECKS", "Charger", "Check", "ContractBroken", "Recorder", "Rig", "RigFactory", "WrongSettings"]
