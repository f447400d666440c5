#include "eval/tasks/documents.h"

#include "base/files.h"
#include "base/hash.h"
#include "eval/tasks/python_text.h"

namespace trine::eval {
namespace {

std::uint64_t hash_of(const base::Json& json) {
  const std::string text = json.dump();
  return base::xxh3({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Result<Document> parse_document(std::string_view line, const std::string& place,
                                const Task& task) {
  TRINE_ASSIGN_OR_RETURN(const base::Json json, base::parse_json(line, place));
  if (!json.is_object()) {
    return fail(ErrorCode::kMalformed, "{}: is {}, expected one JSON object per line", place,
                json.type_name());
  }
  TRINE_ASSIGN_OR_RETURN(Document document, task.read(base::JsonFields(json, place)));
  document.line_hash = hash_of(json);
  return document;
}

}  // namespace

Result<std::vector<Document>> parse_documents(std::string_view text, std::string_view name,
                                              const Task& task) {
  std::vector<Document> documents;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    TRINE_ASSIGN_OR_RETURN(Document document,
                           parse_document(line, fmt::format("{}:{}", name, number), task));
    documents.push_back(std::move(document));
  }
  if (documents.empty()) {
    return fail(ErrorCode::kMalformed,
                "{}: has no documents, expected one JSON object per line", name);
  }
  return documents;
}

Result<std::vector<Document>> read_documents(const std::filesystem::path& directory,
                                             const Task& task, std::string_view split) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  const std::filesystem::path path =
      directory / std::string(task.name) / (std::string(split) + ".jsonl");
  TRINE_ASSIGN_OR_RETURN(const std::string text, base::read_text_file(path, kMostBytes));
  return parse_documents(text, path.string(), task);
}

}  // namespace trine::eval
