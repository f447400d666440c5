// The one list of tasks. To add one: write <name>.cpp, declare its reader and add its row here.
#include <algorithm>
#include <array>

#include <fmt/ranges.h>

#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_arc;
ReadDocument read_boolq;
ReadDocument read_gsm8k;
ReadDocument read_hellaswag;
ReadDocument read_lambada;
ReadDocument read_mathqa;
ReadDocument read_mmlu;
ReadDocument read_piqa;
ReadDocument read_triviaqa;
ReadDocument read_wikitext;
ReadDocument read_winogrande;
JudgeAnswer judge_gsm8k;
JudgeAnswer judge_triviaqa;

namespace {

constexpr std::array<std::string_view, 3> kTriviaqaStops = {"\n", ".", ","};
constexpr std::array<std::string_view, 3> kGsm8kStops = {"Question:", "</s>", "<|im_end|>"};

constexpr std::array kTasks = {
    Task{.name = "arc_challenge",
         .read = read_arc,
         .split = "test",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandom,
         .has_length_norms = true},
    Task{.name = "arc_easy",
         .read = read_arc,
         .split = "test",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandom,
         .has_length_norms = true},
    Task{.name = "boolq",
         .version = 2.0,
         .read = read_boolq,
         .split = "validation",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandomOfOthers},
    Task{.name = "gsm8k",
         .version = 3.0,
         .kind = TaskKind::kGenerate,
         .read = read_gsm8k,
         .split = "test",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandom,
         .few_shot = 5,
         .stops = kGsm8kStops,
         .judge = judge_gsm8k},
    Task{.name = "hellaswag",
         .read = read_hellaswag,
         .split = "validation",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandomOfOthers,
         .has_length_norms = true},
    Task{.name = "lambada_openai",
         .short_name = "lambada",
         .kind = TaskKind::kLoglikelihood,
         .read = read_lambada,
         .split = "test",
         .few_shot_split = "test",
         .few_shot_rule = FewShotRule::kRandom},
    Task{.name = "mathqa",
         .read = read_mathqa,
         .split = "test",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandom,
         .has_length_norms = true},
    Task{.name = "mmlu",
         .read = read_mmlu,
         .split = "test",
         .few_shot_split = "dev",
         .few_shot_rule = FewShotRule::kFirst,
         .has_subjects = true},
    Task{.name = "piqa",
         .read = read_piqa,
         .split = "validation",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandomOfOthers,
         .has_length_norms = true},
    Task{.name = "triviaqa",
         .version = 3.0,
         .kind = TaskKind::kGenerate,
         .read = read_triviaqa,
         .split = "validation",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandomOfOthers,
         .stops = kTriviaqaStops,
         .judge = judge_triviaqa},
    Task{.name = "wikitext",
         .version = 2.0,
         .kind = TaskKind::kRolling,
         .read = read_wikitext,
         .split = "test"},
    Task{.name = "winogrande",
         .read = read_winogrande,
         .split = "validation",
         .few_shot_split = "train",
         .few_shot_rule = FewShotRule::kRandomOfOthers},
};

}  // namespace

std::span<const Task> tasks() noexcept { return kTasks; }

Result<const Task*> find_task(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Task& task : kTasks) {
    if (name == task.name || (!name.empty() && name == task.short_name)) return &task;
    names.push_back(task.name);
  }
  return fail(ErrorCode::kInvalidArgument, "there is no task \"{}\"; there are perplexity, {}",
              name, fmt::join(names, ", "));
}

}  // namespace trine::eval
