#include "server/tool_calls.h"

#include <array>
#include <random>

namespace trine::server {
namespace {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kList = "[TOOL_CALLS]";
constexpr std::array kMarkers = {kOpen, kList};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Adds the calls of one JSON text; false, with nothing added, when it is something else.
bool add_calls(std::string_view text, std::vector<ToolCall>& calls) {
  const auto parsed = parse_body(R"({"calls":)" + std::string(text) + "}");
  if (!parsed) return false;
  const Json& value = (*parsed)["calls"];
  const Json list = value.is_array() ? value : Json::array({value});
  std::vector<ToolCall> read;
  for (const Json& call : list) {
    if (!call.is_object()) return false;
    const BodyFields fields(call);
    const Json* name = fields.find("name");
    const Json* arguments = fields.find("arguments");
    if (arguments == nullptr) arguments = fields.find("parameters");
    if (name == nullptr || !name->is_string() || arguments == nullptr) return false;
    read.push_back({name->get<std::string>(), arguments->is_string()
                                                  ? arguments->get<std::string>()
                                                  : dumped(*arguments)});
  }
  calls.insert(calls.end(), read.begin(), read.end());
  return !read.empty();
}

/// Whether the whole answer may be a call without a marker.
bool may_be_bare(std::string_view text) {
  const std::string_view rest = trimmed(text);
  return rest.empty() || rest.front() == '{' || rest.front() == '[';
}

}  // namespace

ToolCallText read_tool_calls(std::string_view text) {
  ToolCallText read;
  if (may_be_bare(text) && add_calls(trimmed(text), read.calls)) return read;
  if (const std::size_t list = text.find(kList); list != std::string_view::npos) {
    if (add_calls(trimmed(text.substr(list + kList.size())), read.calls)) {
      read.content = trimmed(text.substr(0, list));
      return read;
    }
  }
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t open = text.find(kOpen, position);
    if (open == std::string_view::npos) break;
    const std::size_t start = open + kOpen.size();
    const std::size_t close = std::min(text.find(kClose, start), text.size());
    read.content += text.substr(position, open - position);
    if (!add_calls(trimmed(text.substr(start, close - start)), read.calls)) {
      read.content += text.substr(open, close + kClose.size() - open);
    }
    position = std::min(close + kClose.size(), text.size());
  }
  read.content += text.substr(position);
  if (!read.calls.empty()) read.content = std::string(trimmed(read.content));
  return read;
}

std::size_t plain_length(std::string_view text) {
  if (may_be_bare(text)) return 0;
  std::size_t length = text.size();
  for (const std::string_view marker : kMarkers) {
    length = std::min(length, text.find(marker));
    // An end that the marker begins with.
    for (std::size_t count = std::min(marker.size() - 1, text.size()); count > 0; --count) {
      if (text.ends_with(marker.substr(0, count))) {
        length = std::min(length, text.size() - count);
        break;
      }
    }
  }
  return length;
}

Json tool_calls_json(const std::vector<ToolCall>& calls, bool with_index) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  Json list = Json::array();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    Json call = Json::object();
    if (with_index) call["index"] = i;
    call["id"] = "call_" + std::to_string(random());
    call["type"] = "function";
    call["function"] = {{"name", calls[i].name}, {"arguments", calls[i].arguments}};
    list.push_back(std::move(call));
  }
  return list;
}

}  // namespace trine::server
