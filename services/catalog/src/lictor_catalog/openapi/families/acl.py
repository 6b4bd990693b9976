"""`/v1/acl` and the agent's tokens: there are no access control lists yet, and every endpoint says so."""

from lictor_catalog.openapi.endpoint import Endpoint, Example, Family, Method

_ID = "/8ec16e5e-0000-4000-8000-000000000000"
_PATHS: tuple[tuple[Method, str, str, str], ...] = (
    ("PUT", "/v1/acl/auth-method", "", "Create an auth method"),
    ("GET", "/v1/acl/auth-method/{name}", "/minikube", "Read an auth method"),
    ("PUT", "/v1/acl/auth-method/{name}", "/minikube", "Update an auth method"),
    ("DELETE", "/v1/acl/auth-method/{name}", "/minikube", "Delete an auth method"),
    ("GET", "/v1/acl/auth-methods", "", "List auth methods"),
    ("PUT", "/v1/acl/binding-rule", "", "Create a binding rule"),
    ("GET", "/v1/acl/binding-rule/{id}", _ID, "Read a binding rule"),
    ("PUT", "/v1/acl/binding-rule/{id}", _ID, "Update a binding rule"),
    ("DELETE", "/v1/acl/binding-rule/{id}", _ID, "Delete a binding rule"),
    ("GET", "/v1/acl/binding-rules", "", "List binding rules"),
    ("PUT", "/v1/acl/bootstrap", "", "Make the first token"),
    ("PUT", "/v1/acl/clone/{id}", _ID, "Clone a token (legacy)"),
    ("PUT", "/v1/acl/create", "", "Create a token (legacy)"),
    ("PUT", "/v1/acl/destroy/{id}", _ID, "Delete a token (legacy)"),
    ("GET", "/v1/acl/info/{id}", _ID, "Read a token (legacy)"),
    ("GET", "/v1/acl/list", "", "List tokens (legacy)"),
    ("POST", "/v1/acl/login", "", "Exchange an identity for a token"),
    ("POST", "/v1/acl/logout", "", "Give a token back"),
    ("GET", "/v1/acl/policies", "", "List policies"),
    ("PUT", "/v1/acl/policy", "", "Create a policy"),
    ("GET", "/v1/acl/policy/{id}", _ID, "Read a policy"),
    ("PUT", "/v1/acl/policy/{id}", _ID, "Update a policy"),
    ("DELETE", "/v1/acl/policy/{id}", _ID, "Delete a policy"),
    ("GET", "/v1/acl/policy/name/{name}", "/operators", "Read a policy by name"),
    ("GET", "/v1/acl/replication", "", "How far replication has come"),
    ("PUT", "/v1/acl/role", "", "Create a role"),
    ("GET", "/v1/acl/role/{id}", _ID, "Read a role"),
    ("PUT", "/v1/acl/role/{id}", _ID, "Update a role"),
    ("DELETE", "/v1/acl/role/{id}", _ID, "Delete a role"),
    ("GET", "/v1/acl/role/name/{name}", "/operators", "Read a role by name"),
    ("GET", "/v1/acl/roles", "", "List roles"),
    ("POST", "/v1/acl/rules/translate", "", "Translate legacy rules"),
    ("GET", "/v1/acl/rules/translate/{accessor}", _ID, "Translate the rules of a legacy token"),
    ("GET", "/v1/acl/templated-policies", "", "List templated policies"),
    ("GET", "/v1/acl/templated-policy/name/{name}", "/builtin%2Fservice", "Read a templated policy"),
    ("POST", "/v1/acl/templated-policy/preview/{name}", "/builtin%2Fservice", "Show what a templated policy becomes"),
    ("PUT", "/v1/acl/token", "", "Create a token"),
    ("GET", "/v1/acl/token/{accessor}", _ID, "Read a token"),
    ("PUT", "/v1/acl/token/{accessor}", _ID, "Update a token"),
    ("DELETE", "/v1/acl/token/{accessor}", _ID, "Delete a token"),
    ("GET", "/v1/acl/token/self", "", "Read the token of the request"),
    ("GET", "/v1/acl/tokens", "", "List tokens"),
    ("PUT", "/v1/acl/update", "", "Update a token (legacy)"),
    ("PUT", "/v1/agent/token/{kind}", "/default", "Set a token that the agent uses"),
)

FAMILY = Family(
    "acl",
    "Access control lists are off: every request is answered 401, as Consul does with ACLs disabled.",
    tuple(
        Endpoint(method, path, summary, Example(path.partition("/{")[0] + rest))
        for method, path, rest, summary in _PATHS
    ),
)
