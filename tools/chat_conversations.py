"""Conversations that tools/make_chat_goldens.py puts into every template."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a place <now> & \"soon\"",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Zürich, 東京 …"},
                "days": {"type": "integer"},
                "unit": {"type": "string", "enum": ["C", "F"]},
            },
            "required": ["place"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}},
}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, number):
    return {
        "id": f"call{number:05}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


WITH_TOOLS = [
    system("Be brief."),
    user("Weather in Zürich?"),
    assistant(
        None,
        tool_calls=[
            call("get_weather", {"place": "Zürich", "days": 2}, 1),
            call("clock", {}, 2),
        ],
    ),
    {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": '{"C": 21.5}'},
    {"role": "tool", "name": "clock", "tool_call_id": "call00002", "content": "09:05"},
    assistant("<think>\nIt is warm.\n</think>\n\n21.5 °C."),
    user("And tomorrow?"),
]

CONVERSATIONS = {
    "one_question": {"messages": [user("Who are you?")]},
    "with_system": {"messages": [system("  You are terse.\n"), user(" Hi \n"), assistant("Yes?")]},
    "several_turns": {
        "messages": [user("1"), assistant("one"), user("2"), assistant("two"), user("3")]
    },
    "finished": {
        "messages": [user("Say ü€😀"), assistant("ü€😀")],
        "add_generation_prompt": False,
    },
    "parts": {
        "messages": [
            user(
                [
                    {"type": "text", "text": "What is "},
                    {"type": "image"},
                    {"type": "text", "text": "this?"},
                ]
            )
        ]
    },
    "tools": {"messages": WITH_TOOLS, "tools": [WEATHER, CLOCK]},
    "tools_only": {"messages": [user("Time?")], "tools": [CLOCK]},
    "reasoning": {
        "messages": [
            user("2+2?"),
            assistant("<think>\neasy\n</think>\n\n4"),
            user("sure?"),
            assistant("Yes.", reasoning_content="check again"),
            user("ok"),
        ],
        "variables": {"enable_thinking": False},
    },
    "thinking": {"messages": [user("2+2?")], "variables": {"enable_thinking": True}},
    "wrong_order": {"messages": [user("a"), user("b"), system("late")]},
    "no_messages": {"messages": []},
    "markup_in_text": {"messages": [user("{{ bos_token }} {% if %} <|im_end|> &<>\"'")]},
    "dated": {
        "messages": [system("S"), user("When?")],
        "variables": {"date_string": "01 Jan 2025"},
    },
}
