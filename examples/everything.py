"""Every part of the protocol on one page: what the official MCP conformance suite asks of a server, and ``add``.

Run it as ``python examples/everything.py`` for stdio, or ``python examples/everything.py http 3900`` for HTTP at
http://127.0.0.1:3900/mcp; with ``--auth`` it asks for one of the tokens in ``HOLDFAST_AUTH__TOKENS``.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from holdfast import Audio, Context, EmbeddedResource, Image, Message, Server, ToolError
from holdfast.core.questions import form_request, roots_request, sampling_request

server = Server("everything", version="1.0.0", instructions="A server that shows every part of the protocol.")

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SILENCE = b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==")
PAUSE = 0.05
"""Seconds between two notifications, so that a client sees them arrive one by one."""


# What a tool may return: a value with a schema, text, pictures, sound, resources, or several of them ------------------


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@server.tool(read_only=True)
async def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


@server.tool(read_only=True)
async def test_image_content() -> Image:
    """Return a picture of one pixel."""
    return Image(PIXEL)


@server.tool(read_only=True)
async def test_audio_content() -> Audio:
    """Return a moment of silence."""
    return Audio(SILENCE)


@server.tool(read_only=True)
async def test_embedded_resource() -> EmbeddedResource:
    """Return the contents of a resource."""
    return EmbeddedResource("test://embedded-resource", "This is an embedded resource content.", "text/plain")


@server.tool(read_only=True)
async def test_multiple_content_types() -> list[str | Image | EmbeddedResource]:
    """Return a text, a picture and a resource at once."""
    resource = EmbeddedResource("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return ["Multiple content types test:", Image(PIXEL), resource]


@server.tool(read_only=True)
async def test_error_handling() -> str:
    """Fail, with a message that is meant for the model."""
    raise ToolError("This tool intentionally returns an error for testing")


# What a tool may take: plain type hints, hints with more to say, or a JSON schema of its own --------------------------


@server.tool(read_only=True)
async def test_header_parameter(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Take an argument that HTTP clients repeat in the header Mcp-Param-Region, where a proxy can route by it."""
    return f"Region: {region}"


TEXT = {"type": "string"}
ADDRESS = {"$anchor": "addressDef", "type": "object", "properties": {"street": TEXT, "city": TEXT}}
MEANS = {"type": "string", "enum": ["phone", "email"]}
FIELDS = {"name": TEXT, "address": {"$ref": "#/$defs/address"}, "contactMethod": MEANS, "phone": TEXT, "email": TEXT}
CONTACT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": ADDRESS},
    "properties": FIELDS,
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@server.tool(read_only=True, schema=CONTACT)
async def json_schema_2020_12_tool(contact: dict[str, Any]) -> str:
    """Tool with JSON Schema 2020-12 features."""
    return f"Contact by {contact.get('contactMethod', 'email')}"


# What a tool may say while it runs ------------------------------------------------------------------------------------


@server.tool(read_only=True)
async def test_tool_with_progress(ctx: Context) -> str:
    """Report how far it is: 0, 50 and 100 of 100."""
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await asyncio.sleep(PAUSE)
    return "Done, with progress reported on the way."


@server.tool(read_only=True, name="test_logging_tool")
@server.tool(read_only=True)
async def test_tool_with_logging(ctx: Context) -> str:
    """Send three log messages to the client; one of 2026-07-28 sees them only if it asked for log messages."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.notify_log("info", text)
        await asyncio.sleep(PAUSE)
    return "Done, with three log messages sent on the way."


@server.tool(read_only=True)
async def test_reconnection(ctx: Context) -> str:
    """Drop the event stream in the middle of the call: the client comes back and finds the answer."""
    await ctx.close_stream()
    await asyncio.sleep(2 * PAUSE)
    return "Reconnection test completed successfully."


# What a tool may ask of the user and of the client's model; the same code serves clients of both eras -----------------


class Contact(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Profile(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


Plain = Literal["option1", "option2", "option3"]
Titled = Literal["value1", "value2"]
TITLES = [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}]


class Choices(BaseModel):
    """Every way in which a form can offer choices."""

    model_config = ConfigDict(alias_generator=to_camel)

    untitled_single: Plain
    titled_single: Annotated[Titled, WithJsonSchema({"type": "string", "oneOf": TITLES})]
    legacy_enum: Literal["opt1", "opt2"] = Field(json_schema_extra={"enumNames": ["Option One", "Option Two"]})
    untitled_multi: list[Plain]
    titled_multi: Annotated[list[Titled], WithJsonSchema({"type": "array", "items": {"anyOf": TITLES}})]


class Name(BaseModel):
    name: str


class Color(BaseModel):
    color: str


class Consent(BaseModel):
    ok: bool


class Topic(BaseModel):
    context: str


@server.tool(read_only=True)
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user for a name and an address, under a message of the caller's."""
    answer = await ctx.elicit(message, Contact)
    return f"User response: action={answer.action}, content={answer.data!r}"


@server.tool(read_only=True)
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask with a form whose fields have defaults."""
    answer = await ctx.elicit("Please check your profile", Profile)
    return f"Elicitation completed: action={answer.action}, content={answer.data!r}"


@server.tool(read_only=True)
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask with a form that offers choices."""
    answer = await ctx.elicit("Please choose", Choices)
    return f"Elicitation completed: action={answer.action}, content={answer.data!r}"


@server.tool(read_only=True)
async def test_streaming_elicitation(ctx: Context) -> str:
    """Report progress, then ask: what arrives is notifications and one result, never a request."""
    await ctx.report_progress(0, 1)
    answer = await ctx.elicit("What is your name?", Name)
    return f"The user's answer: {answer.action}"


@server.tool(read_only=True)
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Have the client's model answer a prompt."""
    answer = await ctx.sample(prompt, max_tokens=100)
    return f"LLM response: {answer['content']['text']}"


@server.tool(read_only=True)
async def test_missing_capability(ctx: Context) -> str:
    """Work only with clients that can sample; others are told what is missing."""
    ctx.require("sampling")
    return "The client can sample."


@server.tool(read_only=True)
async def test_input_required_result_elicitation(ctx: Context) -> str:
    """Ask the user's name; a question may be given a name of its own."""
    answer = await ctx.elicit("What is your name?", Name, key="user_name")
    return f"Hello, {answer.data.name}!" if answer.data else "Hello, whoever you are!"


@server.tool(read_only=True)
async def test_input_required_result_sampling(ctx: Context) -> str:
    """Have the client's model answer a question."""
    answer = await ctx.sample("What is the capital of France?", max_tokens=100, key="capital_question")
    return f"The model says: {answer['content']['text']}"


@server.tool(read_only=True)
async def test_input_required_result_list_roots(ctx: Context) -> str:
    """Ask which folders the client works in."""
    folders = await ctx.roots(key="client_roots")
    return f"The client works in: {', '.join(folder['uri'] for folder in folders)}"


@server.tool(read_only=True, name="test_input_required_result_tampered_state")
@server.tool(read_only=True)
async def test_input_required_result_request_state(ctx: Context) -> str:
    """Ask once. The client carries the sealed state of the call meanwhile; one that alters it is refused."""
    answer = await ctx.elicit("Please confirm", Consent, key="confirm")
    return f"state-ok: {answer.action}"


@server.tool(read_only=True)
async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Ask twice, one question after the other."""
    name = await ctx.elicit("Step 1: What is your name?", Name, key="step1")
    color = await ctx.elicit("Step 2: What is your favorite color?", Color, key="step2")
    return f"Name: {name.action}, color: {color.action}"


@server.tool(read_only=True)
async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Put three questions at once: to the user, to the client's model, and to the client."""
    answers = await ctx.ask(
        user_name=form_request("What is your name?", Name),
        greeting=sampling_request("Generate a greeting", 50),
        client_roots=roots_request(),
    )
    return f"Answered: {', '.join(answers)}"


@server.tool(read_only=True)
async def test_input_required_result_capabilities(ctx: Context) -> str:
    """Ask only what this client can answer."""
    questions = {}
    if ctx.offers("sampling"):
        questions["greeting"] = sampling_request("Generate a greeting", 50)
    if ctx.offers("elicitation"):
        questions["user_name"] = form_request("What is your name?", Name)
    answers = await ctx.ask(**questions)
    return f"Answered: {', '.join(answers) or 'nothing was asked'}"


# Resources: fixed ones, a template, and one that changes --------------------------------------------------------------


@server.resource("test://static-text", mime_type="text/plain")
async def static_text() -> str:
    """A text that never changes."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
async def static_binary() -> bytes:
    """A picture that never changes."""
    return PIXEL


@server.resource("test://watched-resource", mime_type="text/plain")
async def watched_resource() -> str:
    """A text that clients may follow."""
    return "This is the content of the watched resource."


@server.resource("test://template/{id}/data", mime_type="application/json")
async def template_data(id: str) -> dict[str, Any]:
    """Data for an id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@server.tool(destructive=False)
async def test_trigger_resource_update(ctx: Context) -> str:
    """Tell whoever follows the watched resource that it changed."""
    await ctx.resource_updated("test://watched-resource")
    return "Told."


# Prompts, and what a client may complete for the user while they type -------------------------------------------------


@server.prompt
async def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@server.prompt
async def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument")],
    arg2: Annotated[str, Field(description="Second test argument")],
) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.completion("test_prompt_with_arguments", "arg1")
async def cities(value: str) -> list[str]:
    """Suggest what begins as the user began."""
    return [city for city in ("paris", "park", "party") if city.startswith(value)]


@server.prompt
async def test_prompt_with_embedded_resource(
    resourceUri: Annotated[
        str, Field(description="URI of the resource to embed")
    ],  # holdfast: ignore[HF102] only shown
) -> list[Message]:
    """A prompt that brings a resource along."""
    resource = EmbeddedResource(resourceUri, "Embedded resource content for testing.", "text/plain")
    return [Message(resource), Message("Please process the embedded resource above.")]


@server.prompt
async def test_prompt_with_image() -> list[Message]:
    """A prompt that brings a picture along."""
    return [Message(Image(PIXEL)), Message("Please analyze the image above.")]


@server.prompt
async def test_input_required_result_prompt(ctx: Context) -> str:
    """A prompt that asks the user first."""
    answer = await ctx.elicit("What context should the prompt use?", Topic, key="user_context")
    return f"Context: {answer.data.context}" if answer.data else "No context was given."


# What a server offers may change while it serves; clients of both eras hear of it -------------------------------------


async def now_and_then() -> str:
    """Something that is offered now and then."""
    return "Here I am."


@server.tool(destructive=False)
async def test_trigger_tool_change() -> str:
    """Add a tool, or take it away again."""
    if "now_and_then" in server.registry.tools:
        server.remove("tool", "now_and_then")
    else:
        server.tool(now_and_then)
    return "The list of tools changed."


@server.tool(destructive=False)
async def test_trigger_prompt_change() -> str:
    """Add a prompt, or take it away again."""
    if "now_and_then" in server.registry.prompts:
        server.remove("prompt", "now_and_then")
    else:
        server.prompt(now_and_then)
    return "The list of prompts changed."


if __name__ == "__main__":
    server.main()
