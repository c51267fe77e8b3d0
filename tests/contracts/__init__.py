import pytest

# The suites are not test modules themselves, and a failing promise should show what it compared.
pytest.register_assert_rewrite("tests.contracts.loyalty_host_contract")
