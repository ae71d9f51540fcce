"""One place validated: as a client reads it, then file by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from repo_tools.findings import Check, Finding, Level, worst, worst_first
from repo_tools.release.room import Room
from repo_tools.validate import reading
from repo_tools.validate.files import Files, signed_part
from repo_tools.validate.offers import MANIFEST, check_offers, read_manifest
from repo_tools.validate.places import Place
from repo_tools.validate.reach import reach_findings
from repo_tools.validate.roles import Roles, check_roles
from repo_tools.validate.roots import check_roots
from repo_tools.validate.targets import JOBS, Listed, MakeFetcher, check_targets
from updog.errors import TrustError, UpdogError
from updog.manifest import Manifest
from updog.session import Session
from updog.tuffiles import Target
from updog.tufnames import target_file, url, url_path
from updog.tufstore import MetadataStore

_MANIFEST_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """How to validate.

    Attributes:
        root: the root that devices have; None: the first one of the repository.
        room: of the devices' partitions; None: not compared.
        targets: whether to read the target files too.
        jobs: how many at once.
    """

    root: Path | None = None
    room: Room | None = None
    targets: bool = True
    jobs: int = JOBS


@dataclass(frozen=True, slots=True)
class Report:
    """What was found at one place.

    Attributes:
        versions: of the roles, as far as they could be read.
        listed: how many targets the repository has, and how many bytes.
        findings: the worst first.
    """

    place: Place
    versions: Mapping[str, int] = field(default_factory=dict)
    listed: tuple[int, int] = (0, 0)
    findings: tuple[Finding, ...] = ()

    @property
    def level(self) -> Level | None:
        """The worst that was found."""
        return worst(self.findings)


@dataclass(frozen=True, slots=True)
class Read:
    """A repository's metadata and manifest, read without stopping at a fault."""

    files: Files
    roles: Roles
    targets: Mapping[str, Target]
    manifest: Manifest | None
    shipped: bytes | None
    findings: tuple[Finding, ...]


def validate(place: Place, options: Options, fetcher: MakeFetcher, now: datetime) -> Report:
    """Validate one variant and architecture.

    Raises:
        UnreachableError: the repository does not answer at all.
        OSError: the root that was given cannot be read.
    """
    read = read_all(place, options.root, fetcher, now)
    findings = [*read.findings, *client_findings(place, read.shipped, fetcher, now)]
    if read.manifest is not None:
        findings += check_offers(read.manifest, read.targets.keys(), place.name)
        findings += reach_findings(read.manifest, read.targets.keys())
    if options.targets:
        listed = Listed(read.targets, place.urls.targets, read.files.consistent, fetcher)
        findings += check_targets(listed, read.manifest, room=options.room, jobs=options.jobs)
    size = sum(target.length for target in read.targets.values())
    versions = {role: one.signed.version for role, one in read.roles.parsed.items()}
    if read.files.roots:
        versions["root"] = max(read.files.roots)
    return Report(place, versions, (len(read.targets), size), worst_first(findings))


def read_all(place: Place, root: Path | None, fetcher: MakeFetcher, now: datetime) -> Read:
    """Read metadata and manifest of a place, and look at each file by itself.

    Raises:
        UnreachableError: the repository does not answer at all.
        OSError: the root that was given cannot be read.
    """
    given = root or place.shipped_root
    shipped = None if given is None else given.read_bytes()
    first = signed_part(shipped).get("version", 1)
    files = reading.read(place.urls, fetcher(), first_root=first if type(first) is int else 1)
    roles = check_roles(files, now, shipped)
    findings = [*files.findings, *check_roots(files.roots, now), *roles.findings]
    targets = dict(_targets(roles, findings))
    manifest = _manifest(place, files, targets, fetcher, findings)
    if shipped is None and files.roots:
        oldest = min(files.roots)
        shipped = files.roots[oldest]
        findings.append(
            Check("client", f"{oldest}.root.json").note(
                "trusted because it was there; name the root that devices have by --root"
            )
        )
    return Read(files, roles, targets, manifest, shipped, tuple(findings))


def client_findings(
    place: Place, shipped: bytes | None, fetcher: MakeFetcher, now: datetime
) -> Iterator[Finding]:
    """What a client says, which stops at the first fault."""
    if shipped is None:
        return
    with TemporaryDirectory(prefix="updog-repo-") as scratch:
        store = MetadataStore(Path(scratch))
        try:
            session = Session(place.urls, shipped, store, fetcher(), now)
            session.refresh()
            session.target(MANIFEST)
        except UpdogError as error:
            yield Check("client", place.name).error(f"a client stops here: {error}")
            return
        for warning in session.warnings:
            yield Check("client", place.name).warning(warning)


def _targets(roles: Roles, findings: list[Finding]) -> Iterator[tuple[str, Target]]:
    listed = roles.targets
    if listed is None:
        return
    if listed.delegations is not None and listed.delegations.roles:
        findings.append(
            Check("targets", "targets.json").warning("delegated roles are not looked into")
        )
    for name, file in listed.targets.items():
        try:
            target = Target.of(file)
            target_file(name, target.hashes, consistent=True)
        except TrustError as error:
            findings.append(Check("targets", f"targets.json: {name}").error(str(error)))
        else:
            yield name, target


def _manifest(
    place: Place,
    files: Files,
    targets: Mapping[str, Target],
    fetcher: MakeFetcher,
    findings: list[Finding],
) -> Manifest | None:
    target, at = targets.get(MANIFEST), Check("manifest", MANIFEST)
    if target is None:
        if files.targets is not None:
            findings.append(at.error("it is not among the targets"))
        return None
    name = target_file(MANIFEST, target.hashes, consistent=files.consistent)
    try:
        address = url(place.urls.targets, url_path(name), {})
        data = fetcher().get(address, max_bytes=_MANIFEST_LIMIT)
        target.check(data)
    except UpdogError as error:
        findings.append(at.error(str(error)))
        return None
    manifest, faults = read_manifest(data)
    findings += faults
    return manifest
