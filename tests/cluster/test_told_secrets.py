"""No private key, token or password shows in what a lab says, nor where it may not."""

import json

import pytest
from labs import Lab

from booktools.lint import secrets
from k8slab import magics, probe, wait
from k8slab.errors import CommandFailed, LabError

CANARY = "canary-5f2c-do-not-print"


def test_secrets_are_known_and_found(main: Lab) -> None:
    """What all tests were told is searched for them when the lab goes."""
    assert len(main.secrets) > 5
    for secret in main.secrets:
        assert secrets.leaks(f"told {secret} here", canaries=main.secrets)


@pytest.mark.parametrize("word", ["--raw", "--flatten"])
def test_kubectl_does_not_show_the_key(main: Lab, word: str) -> None:
    """Neither of kubectl's ways to print its configuration whole is open."""
    said = main.kubectl("config", "view", word)

    assert said.returncode == 2
    assert secrets.leaks(said.text, canaries=main.secrets) == []


def test_a_password_is_in_no_error_and_no_process(
    main: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The probe's password travels by standard input, and is part of no message."""
    with main.cluster() as cluster:
        ns = cluster.scratch("canary")
        make = ["run", "sql", "--image=registry.lab/echo:1", "--restart=Never"]
        cluster.kubectl(make)
        pod = wait.pod(ns, "sql", ready=True)
        with pytest.raises(LabError) as caught:
            probe.sql(pod, "select 1", password=CANARY)
        with pytest.raises(CommandFailed) as typed:
            magics.kubectl("get pod nobody")
        ns.remove()
    error = caught.value
    told = [str(error), repr(error), *error._render_traceback_(), str(typed.value)]
    told += [json.dumps(error.facts()), str(vars(error)), *capsys.readouterr()]

    assert secrets.leaks("\n".join(told), canaries=(CANARY,)) == []


def test_no_secret_is_an_argument_of_a_process(main: Lab) -> None:
    """Arguments can be seen by everybody on a computer; a token or a key is in none."""
    script = "{ cat /proc/[0-9]*/cmdline 2> /dev/null || true; } | tr '\\0' ' '"
    with main.shell("master") as shell:
        seen = shell.script(script).stdout

    assert "kube-apiserver" in seen
    assert [leak.kind for leak in secrets.leaks(seen)] == []
