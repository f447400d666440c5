// One row per task: how a document of a public data set becomes a question, and what is measured.
// docs/evaluation.md has the rules; all of them are those of lm-evaluation-harness 0.4.13.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trine::eval {

enum class TaskKind {
  kMultipleChoice,  ///< which of some continuations is most likely
  kLoglikelihood,   ///< how likely is the one continuation
  kGenerate,        ///< greedy text until a stop, compared with the answers
  kRolling,         ///< the likelihood of a whole text
};

/// Which examples stand before a question.
enum class FewShotRule {
  kNone,
  kFirst,   ///< the first ones of the file
  kRandom,  ///< drawn from all of the file; the seed is 1234
  /// One more than needed is drawn, the question itself left out if it is among them, and the
  /// last one dropped. lm_eval does so for every task without a test split.
  kRandomOfOthers,
};

/// A line of a data set as its task reads it.
struct Document {
  std::string question{};               ///< what stands before the answer
  std::vector<std::string> contexts{};  ///< instead of it: one per choice, of the same answer
  std::vector<std::string> choices{};
  std::size_t gold = 0;                ///< index of the right choice or context
  std::vector<std::string> targets{};  ///< accepted answers; the first one serves as an example
  std::string subject{};               ///< of tasks made of several
  std::uint64_t line_hash = 0;         ///< of the JSON: equal for equal documents
};

/// The document of one JSON object; errors name file and line, which is the name of `fields`.
using ReadDocument = Result<Document>(const base::JsonFields& fields);

/// Whether a generated answer is right, by one way to find it in the text.
struct Judgement {
  std::string_view filter{};
  bool is_right = false;
};
using JudgeAnswer = std::vector<Judgement>(const Document& document, std::string_view text);

struct Task {
  std::string_view name{};        ///< lm_eval's
  std::string_view short_name{};  ///< also accepted
  double version = 1.0;           ///< lm_eval's, of the prompt and the scoring
  TaskKind kind = TaskKind::kMultipleChoice;
  ReadDocument* read = nullptr;
  std::string_view split{};  ///< DIR/<name>/<split>.jsonl
  std::string_view few_shot_split{};
  FewShotRule few_shot_rule = FewShotRule::kNone;
  std::size_t few_shot = 0;  ///< examples unless told otherwise
  bool has_length_norms = false;
  bool has_subjects = false;  ///< scored one by one and together
  std::span<const std::string_view> stops{};
  JudgeAnswer* judge = nullptr;
};

[[nodiscard]] std::span<const Task> tasks() noexcept;

/// kInvalidArgument with the names there are.
[[nodiscard]] Result<const Task*> find_task(std::string_view name);

}  // namespace trine::eval
