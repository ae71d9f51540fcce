"""What each way to each image of the chosen update costs on this machine; nothing is written.

The prices come from what an installation itself weighs (`updog.writing.weigh`): the signed sizes,
the map, and what stands on both partitions. Only metadata and maps are fetched.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitions.blockio import Access, DeviceOpener, Extent
from updog import kept, select
from updog.beside import Beside, opened_beside
from updog.images import image_set
from updog.install import Image
from updog.lock import RunLock
from updog.manifest import Update
from updog.pipeline.direct import open_medium
from updog.pipeline.plan import Estimate, Rates
from updog.select import Chosen, Declined
from updog.update import Environment, connect, policy, read_manifest, running_release
from updog.visit import Wish
from updog.writing import weigh


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One image.

    Attributes:
        role: root, boot or hash.
        target: its name.
        place: where it would be written.
        ways: cheapest first; the first one would be taken.
    """

    role: str
    target: str
    place: str
    ways: tuple[Estimate, ...]

    @property
    def chosen(self) -> Estimate:
        """The way that would be taken."""
        return self.ways[0]


@dataclass(frozen=True, slots=True)
class Plan:
    """An update with the price of each of its images.

    Attributes:
        update: which.
        images: in the order of writing.
    """

    update: Update
    images: tuple[ImagePlan, ...]


def survey(env: Environment, wish: Wish) -> Plan | Declined:
    """Choose an update as an installation would, and weigh the ways to it.

    Raises:
        UpdogError: as for `updog.update.check`.
        PartitionError: a partition cannot be read.
    """
    with RunLock(env.settings.paths.lock):
        session = connect(env)
        offered = read_manifest(session)
        outcome = select.choose(offered, env.host, policy(env, wish, offered), env.now)
        if not isinstance(outcome, Chosen):
            return outcome
        control, open_device = env.control, env.open_device
        running = running_release(control, open_device)
        images = image_set(session, outcome.update.images, running)
        placed = images.placed(control.inactive_set())
        beside = Beside.of(control.active_set(), kept.Kept(env.settings.paths.kept_hashes))
        rates = _rates(env.settings.download.rate_limit)
        return Plan(
            outcome.update,
            tuple(
                ImagePlan(
                    role, image.name, str(place), _ways(image, place, near, open_device, rates)
                )
                for role, (image, place), near in zip(kept.ROLES, placed, beside, strict=True)
            ),
        )


def _ways(
    image: Image, place: Extent, near: Beside, open_device: DeviceOpener, rates: Rates
) -> tuple[Estimate, ...]:
    offer = image.offer()
    with (
        open_device(place, Access.READ) as device,
        open_medium(device, place, Access.READ) as medium,
        opened_beside(near, device, open_device) as base,
    ):
        _, found = weigh(offer, medium, base, rates)
    return found


def _rates(limit: int) -> Rates:
    """What seconds are told by; a configured limit is all that the network gives."""
    usual = Rates()
    return Rates(network=min(usual.network, limit)) if limit else usual
