"""An ``Endpoint`` as a server of the official SDK (2.3), whose undocumented names only ``wire/sdk*.py`` know."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import mcp_types as types
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.lowlevel.server import Server as LowLevelServer
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.runner import serve_dual_era_loop
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.methods import serialize_server_result
from pydantic import ValidationError

from holdfast.core.endpoint import Request
from holdfast.core.principal import ANONYMOUS, PRINCIPAL, Principal
from holdfast.errors import ProtocolError
from holdfast.wire.pages import LIST_TTL_MS, SERVER_INFO
from holdfast.wire.publish import ClientList, Listener, Listens, publisher
from holdfast.wire.recognise import HANDSHAKE, KEY, MODERN
from holdfast.wire.results import encode, failure, response
from holdfast.wire.session import ClientSession

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.core.endpoint import Endpoint, Kind, Listed
    from holdfast.core.pipeline import Answer
    from holdfast.wire.direct import DirectCall

_LISTS: dict[Listed, tuple[str, str, type[Any]]] = {
    "tools": ("tools/list", "tools", types.PaginatedRequestParams),
    "resources": ("resources/list", "resources", types.PaginatedRequestParams),
    "templates": ("resources/templates/list", "resourceTemplates", types.PaginatedRequestParams),
    "prompts": ("prompts/list", "prompts", types.PaginatedRequestParams),
}


class _LowLevel(LowLevelServer[Any]):
    """Says that its lists change, whoever asks for the options (the HTTP session manager asks without any)."""

    def create_initialization_options(self, notification_options: Any = None, *args: Any, **kwargs: Any) -> Any:
        chosen = notification_options or NotificationOptions(
            prompts_changed=True, resources_changed=True, tools_changed=True
        )
        return super().create_initialization_options(chosen, *args, **kwargs)


class SdkServer:
    """An endpoint behind the SDK's dispatcher, session and era handling. Built once per serving.

    ``over_http`` says that callers are who the edge says they are: there, nobody is the local user.
    """

    def __init__(
        self, endpoint: Endpoint, *, keys: Sequence[str] = (), max_listens: int = 1_024, over_http: bool = False
    ) -> None:
        self._endpoint = endpoint
        self._over_http = over_http
        self.clients = ClientList()
        bus = InMemorySubscriptionBus()
        self.publisher = publisher(bus, self.clients)
        self._listens = Listens(bus, max_listens)
        hint = CacheHint(ttl_ms=LIST_TTL_MS, scope="private")
        identity = endpoint.identity
        self.lowlevel = _LowLevel(
            endpoint.name,
            version=endpoint.version,
            title=identity.get("title"),
            instructions=identity.get("instructions"),
            website_url=identity.get("website_url"),
            icons=[types.Icon.model_validate(icon) for icon in identity.get("icons", ())] or None,
            cache_hints={
                "tools/list": hint, "resources/list": hint, "resources/templates/list": hint, "prompts/list": hint,
                "resources/read": hint, "server/discover": hint,
            },
            get_tool_input_schema=self._input_schema,
            on_subscriptions_listen=self._subscribed,
        )  # fmt: skip
        self._boundary = RequestStateBoundary(_sealing(keys), default_audience=endpoint.name)
        self.lowlevel.middleware.append(_strict)
        self.lowlevel.middleware.append(self._boundary)
        self._register()

    def _register(self) -> None:
        offered = self._endpoint.offered
        add = self.lowlevel.add_request_handler
        lists: list[Listed] = ["tools"] if "tools" in offered else []
        add("tools/call", types.CallToolRequestParams, self._call_tool)
        if "resources" in offered:
            lists += ["resources", "templates"]
            add("resources/read", types.ReadResourceRequestParams, self._read_resource)
            add("resources/subscribe", types.SubscribeRequestParams, self._subscribe)
            add("resources/unsubscribe", types.UnsubscribeRequestParams, self._unsubscribe)
        if "prompts" in offered:
            lists.append("prompts")
            add("prompts/get", types.GetPromptRequestParams, self._get_prompt)
        if "completions" in offered:
            add("completion/complete", types.CompleteRequestParams, self._complete)
        add("logging/setLevel", types.SetLevelRequestParams, self._set_level)
        for what in lists:
            method, key, params = _LISTS[what]
            add(method, params, self._lister(what, key))
        self.lowlevel.add_notification_handler("notifications/initialized", types.NotificationParams, self._initialized)

    @property
    def endpoint(self) -> Endpoint:
        """What is served."""
        return self._endpoint

    async def serve_streams(self, read: Any, write: Any) -> None:
        """Serve one connection over a pair of streams, in the era that the client opens with."""
        await serve_dual_era_loop(
            self.lowlevel, read, write, lifespan_state={}, init_options=self.lowlevel.create_initialization_options()
        )

    async def judged(self, call: DirectCall, answer: Answer, modern: bool, user: Any = None) -> bytes:
        """The response to a call that was served without the SDK, and whose answer needs its judgement or its seal.

        ``user`` is whom the HTTP edge found, in the SDK's form (``sdk_user``): the seal is bound to it.
        """
        body = _typed(_result(answer), modern)
        version = MODERN if modern else HANDSHAKE[-1]
        try:
            body = serialize_server_result("tools/call", version, body)
        except ValidationError:
            logging.getLogger("holdfast.wire").error("a tool gave a result that the protocol does not know")
            return failure(call.id, types.INTERNAL_ERROR, "Handler returned an invalid result")
        if modern:
            body["_meta"] = {SERVER_INFO: self.lowlevel.server_info_stamp} | (body.get("_meta") or {})

        async def known(_ctx: Any) -> dict[str, Any]:
            return body

        asked: Any = _Asked("tools/call", call.params)
        token = auth_context_var.set(user)
        try:
            return response(call.id, encode(await self._boundary(asked, known)))
        finally:
            auth_context_var.reset(token)

    async def _subscribed(self, ctx: Any, params: types.SubscriptionsListenRequestParams) -> Any:
        peer = "" if ctx.request is None or ctx.request.client is None else ctx.request.client.host
        principal = self._principal(ctx)

        listener = Listener(principal, self._endpoint.may_follow)
        return await self._listens.listen(f"{principal.name} {peer}", ctx, params, listener)

    def _input_schema(self, tool: str) -> Mapping[str, Any] | None:
        """For the SDK's look at the headers over HTTP, which comes before everything else and knows no request."""
        user: Any = auth_context_var.get()
        caller = ANONYMOUS if user is None else Principal(user.username, frozenset(user.scopes))
        return self._endpoint.input_schema(tool, caller)

    def close(self) -> None:
        """End every open subscription gracefully."""
        self._listens.close()

    def _lister(self, what: Listed, key: str) -> Callable[[Any, Any], Awaitable[dict[str, Any]]]:
        async def handler(ctx: Any, params: types.PaginatedRequestParams | None) -> dict[str, Any]:
            if params is not None and params.cursor is not None:
                raise MCPError(types.INVALID_PARAMS, "unknown cursor; this server sends its lists whole")
            return _typed({key: self._endpoint.listed(what, self._principal(ctx))}, ctx.protocol_version >= MODERN)

        return handler

    async def _call_tool(self, ctx: Any, params: types.CallToolRequestParams) -> dict[str, Any]:
        return await self._handle("tool", params.name, params.arguments or {}, ctx)

    async def _read_resource(self, ctx: Any, params: types.ReadResourceRequestParams) -> dict[str, Any]:
        return await self._handle("resource", str(params.uri), {}, ctx)

    async def _get_prompt(self, ctx: Any, params: types.GetPromptRequestParams) -> dict[str, Any]:
        return await self._handle("prompt", params.name, params.arguments or {}, ctx)

    async def _complete(self, ctx: Any, params: types.CompleteRequestParams) -> dict[str, Any]:
        reference = params.ref
        owner = reference.uri if isinstance(reference, types.ResourceTemplateReference) else reference.name
        known = (params.context.arguments if params.context is not None else None) or {}
        arguments = {"value": params.argument.value, "context": known}
        return await self._handle("completion", f"{owner} {params.argument.name}", arguments, ctx)

    async def _handle(self, kind: Kind, name: str, arguments: dict[str, Any], ctx: Any) -> dict[str, Any]:
        request = Request(kind, name, arguments, self._principal(ctx), self._session(ctx), _key(ctx))
        try:
            answer = await self._endpoint.handle(request)
        except ProtocolError as error:
            raise MCPError(error.rpc_code, error.message, error.data) from None
        return _typed(_result(answer), request.session.era == "modern")

    def _principal(self, ctx: Any) -> Principal:
        """Who calls: what the HTTP edge found out, or the local user who holds the pipes."""
        if ctx.request is None and not self._over_http:
            return self._endpoint.local
        found: Principal | None = None if ctx.request is None else ctx.request.scope.get(PRINCIPAL)
        if found is None:  # it came past the edge, or the SDK lost it on the way
            raise MCPError(types.INVALID_REQUEST, "nobody knows whose request this is; send it to this server itself")
        return found

    def _session(self, ctx: Any) -> ClientSession:
        return ClientSession(ctx, ServerMessageMetadata(related_request_id=ctx.request_id))

    async def _subscribe(self, ctx: Any, params: types.SubscribeRequestParams) -> types.EmptyResult:
        self.clients.subscribe(ctx.session, str(params.uri))
        return types.EmptyResult()

    async def _unsubscribe(self, ctx: Any, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
        self.clients.unsubscribe(ctx.session, str(params.uri))
        return types.EmptyResult()

    async def _set_level(self, ctx: Any, params: types.SetLevelRequestParams) -> types.EmptyResult:
        ctx.session._connection.state["holdfast.level"] = params.level
        return types.EmptyResult()

    async def _initialized(self, ctx: Any, params: Any) -> None:
        self.clients.add(ctx.session, Listener(self._principal(ctx), self._endpoint.may_follow))


class _Asked(NamedTuple):
    """As much of a request's context as its seal is bound to."""

    method: str
    params: Mapping[str, Any]


async def _strict(ctx: Any, call_next: Any) -> Any:
    """No second handshake, and no unknown method sent back (the SDK does both)."""
    begun = ctx.method == "initialize" and ctx.protocol_version < MODERN  # which has no such method
    if begun and ctx.session._connection.client_params is not None:  # there is none where each request stands alone
        raise MCPError(types.INVALID_REQUEST, "this connection is initialized already; open another one")
    try:
        return await call_next(ctx)
    except MCPError as error:
        if error.code != types.METHOD_NOT_FOUND:
            raise
        raise MCPError(error.code, error.message) from None


def _typed(result: dict[str, Any], modern: bool) -> dict[str, Any]:
    """Results of 2026-07-28 say what they are; earlier ones do not know the word."""
    if modern:
        result.setdefault("resultType", "complete")
    return result


def _key(ctx: Any) -> object:
    """What the caller sent as its idempotency key; the guard judges it."""
    meta = (ctx.params or {}).get("_meta")
    return meta.get(KEY) if isinstance(meta, Mapping) else None


def _result(answer: Answer) -> dict[str, Any]:
    body = dict(answer.body)
    if answer.input_required:
        body["resultType"] = "input_required"
        body["requestState"] = json.dumps(body["requestState"])
    if answer.is_error:
        body["isError"] = True
    if answer.meta:
        body["_meta"] = answer.meta
    return body


def _sealing(keys: Sequence[str]) -> RequestStateSecurity:
    """How state that a client carries is sealed: with the operator's keys (it outlives a restart), or with our own."""
    return RequestStateSecurity(keys=list(keys)) if keys else RequestStateSecurity.ephemeral()


def keys_of(settings: Settings) -> list[str]:
    """The operator's keys for sealing: those of ``HOLDFAST_SECRETS__KEYS`` (the SDK derives its own from them)."""
    return [key.get_secret_value() for key in settings.secrets.keys]
