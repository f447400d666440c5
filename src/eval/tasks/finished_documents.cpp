#include "eval/tasks/finished_documents.h"

#include <cmath>

#include "base/files.h"
#include "base/hash.h"

namespace trine::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{1} << 30;

base::Json to_json(const Outcome& outcome) {
  base::Json json = base::Json::object();
  if (!outcome.loglikelihoods.empty()) json["loglikelihoods"] = outcome.loglikelihoods;
  if (!outcome.greedy.empty()) json["greedy"] = outcome.greedy;
  if (outcome.loglikelihoods.empty()) json["text"] = outcome.text;
  return json;
}

/// False when `json` is no outcome.
bool read_outcome(const base::Json& json, Outcome& outcome) {
  for (const auto& [key, value] : json.items()) {
    if (key == "text" && value.is_string()) {
      outcome.text = value.get<std::string>();
    } else if (key == "loglikelihoods" && value.is_array()) {
      for (const base::Json& number : value) {
        // JSON has no NaN; a broken model's is written as null.
        if (!number.is_number() && !number.is_null()) return false;
        outcome.loglikelihoods.push_back(number.is_null() ? std::nan("")
                                                          : number.get<double>());
      }
    } else if (key == "greedy" && value.is_array()) {
      for (const base::Json& flag : value) {
        if (!flag.is_boolean()) return false;
        outcome.greedy.push_back(flag.get<bool>());
      }
    } else {
      return false;
    }
  }
  return outcome.greedy.size() == outcome.loglikelihoods.size();
}

}  // namespace

Result<FinishedDocuments> FinishedDocuments::open(const fs::path& path,
                                                  const base::Json& conditions, bool resume) {
  FinishedDocuments documents;
  documents.path_ = path;
  std::error_code ignored;
  const bool goes_on = resume && fs::exists(path, ignored);
  if (goes_on) {
    TRINE_ASSIGN_OR_RETURN(std::string text, base::read_text_file(path, kMostBytes));
    const std::size_t whole = text.rfind('\n') + 1;  // npos + 1 is 0
    if (whole < text.size()) {
      text.resize(whole);
      fs::resize_file(path, whole, ignored);
    }
    TRINE_RETURN_IF_ERROR(documents.read(text, conditions));
  }
  documents.file_.emplace(path, goes_on ? std::ios::app : std::ios::trunc);
  if (!goes_on || fs::file_size(path, ignored) == 0)
    *documents.file_ << conditions.dump() << '\n';
  if (!documents.file_->flush()) {
    return fail(ErrorCode::kIo, "{}: cannot be written", path.string());
  }
  return documents;
}

Status FinishedDocuments::read(std::string_view text, const base::Json& conditions) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const std::string place = fmt::format("{}:{}", path_.string(), ++number);
    if (number > 1) {
      TRINE_RETURN_IF_ERROR(read_line(line, place));
      continue;
    }
    TRINE_ASSIGN_OR_RETURN(const base::Json found, base::parse_json(line, place));
    if (found != conditions) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: was begun with {}, now asked for {}; leave out --resume to begin again",
                  path_.string(), found.dump(), conditions.dump());
    }
  }
  return {};
}

Status FinishedDocuments::read_line(std::string_view line, const std::string& place) {
  TRINE_ASSIGN_OR_RETURN(const base::Json json, base::parse_json(line, place));
  const auto malformed = [&] {
    return fail(ErrorCode::kMalformed,
                "{}: is no result of a document; leave out --resume to begin again", place);
  };
  if (!json.is_object() || !json.contains("outcome") || !json["outcome"].is_object()) {
    return malformed();
  }
  const base::JsonFields fields(json, place);
  TRINE_ASSIGN_OR_RETURN(const std::string task, fields.string("task"));
  TRINE_ASSIGN_OR_RETURN(const std::int64_t index,
                         fields.integer("doc_id", 0, std::int64_t{1} << 40));
  Finished finished;
  TRINE_ASSIGN_OR_RETURN(finished.prompt_hash, fields.string("prompt_hash"));
  if (!read_outcome(json["outcome"], finished.outcome)) return malformed();
  finished_[{task, static_cast<std::size_t>(index)}] = std::move(finished);
  return {};
}

Result<const Outcome*> FinishedDocuments::find(std::string_view task, std::size_t index,
                                               std::uint64_t prompt_hash) const {
  const auto found = finished_.find({std::string(task), index});
  if (found == finished_.end()) return nullptr;
  if (found->second.prompt_hash != base::to_hex(prompt_hash)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: document {} of {} was asked another question than the data set has now; "
                "leave out --resume to begin again",
                path_.string(), index, task);
  }
  return &found->second.outcome;
}

Status FinishedDocuments::add(std::string_view task, std::size_t index,
                              std::uint64_t prompt_hash, const Outcome& outcome) {
  if (!file_) return {};
  const base::Json line = {{"task", task},
                           {"doc_id", index},
                           {"prompt_hash", base::to_hex(prompt_hash)},
                           {"outcome", to_json(outcome)}};
  *file_ << line.dump() << '\n';
  if (!file_->flush()) return fail(ErrorCode::kIo, "{}: cannot be written", path_.string());
  return {};
}

}  // namespace trine::eval
