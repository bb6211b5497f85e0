"""The list of guards is that of the code as it is. `./run faults mutants` takes the guards away."""

import ast
from collections import Counter

from tests.faults.mutants import ROOT, all_guards

GUARDS = all_guards()


def test_each_guard_stands_where_the_list_says() -> None:
    wrong = []
    for guard in GUARDS:
        try:
            ast.parse(guard.removed_from((ROOT / guard.file).read_text()), guard.name)
        except ValueError as error:
            wrong.append(str(error))
    assert wrong == []


def test_each_guard_names_tests_that_exist() -> None:
    for guard in GUARDS:
        assert guard.tests, guard.name
        for test in guard.tests:
            file, _, name = test.partition("::")
            function = name.partition("[")[0].rpartition("::")[2]
            path = ROOT / file
            assert path.is_file(), f"{guard.name}: there is no {file}"
            assert f"def {function}(" in path.read_text(), f"{guard.name}: there is no {test}"


def test_each_guard_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(one.name for one in GUARDS).items() if times > 1] == []
