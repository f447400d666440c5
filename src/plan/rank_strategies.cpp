#include "plan/rank_strategies.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace trine::plan {
namespace {

Result<RankTerm> parse_term(std::string_view text, std::string_view strategy) {
  const std::size_t dash = text.rfind('-');
  RankTerm term;
  if (dash != std::string_view::npos && rank_rule_named(text.substr(0, dash)) != nullptr) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + dash + 1, end, term.rank);
    term.name = text.substr(0, dash);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == end;
    if (is_number && term.rank <= (1u << 20)) return term;
  }
  std::string known;
  for (const RankRule& rule : rank_rules()) {
    known += (known.empty() ? "" : ", ") + std::string(rule.name);
  }
  return fail(
      ErrorCode::kInvalidArgument,
      "rank strategy \"{}\": \"{}\" is not a name, a dash and a rank such as dense-512; "
      "known names: {}",
      strategy, text, known);
}

RankTarget target_of(const MatrixSpec& matrix, std::size_t layer, std::size_t expert,
                     const RankOptions& options) {
  RankTarget target{&matrix, layer, expert, rank_cap(matrix), 1};
  if (options.compat) target.cap = std::min(matrix.out_features, matrix.in_features);
  if (options.rounds_to_step && target.cap >= kRankStep) target.step = kRankStep;
  return target;
}

/// Every compressible matrix, routed or not as asked.
std::vector<RankTarget> targets_of(const ModelSpec& spec, const RankRule& rule,
                                   const RankOptions& options) {
  std::vector<RankTarget> targets;
  if (rule.covers_dense) {
    for (const MatrixSpec* matrix : compressible_matrices(spec)) {
      if (matrix->role == MatrixRole::kExpert) continue;
      targets.push_back(target_of(*matrix, 0, 0, options));
    }
  }
  for (std::size_t layer = 0; rule.covers_routed && layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    const auto& experts = spec.layers[layer].moe->experts;
    for (std::size_t expert = 0; expert < experts.size(); ++expert) {
      const ExpertSpec& matrices = experts[expert];
      for (const MatrixSpec* matrix :
           {&matrices.gate_proj, &matrices.up_proj, &matrices.down_proj}) {
        targets.push_back(target_of(*matrix, layer, expert, options));
      }
    }
  }
  return targets;
}

Status check_request(const RankOptions& options, const ModelSpec& spec, const Plan& plan) {
  if (!(options.rank_scale > 0.0 && options.rank_scale <= 1024.0)) {
    return fail(ErrorCode::kInvalidArgument, "rank_scale is {}, expected above 0 up to 1024",
                options.rank_scale);
  }
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    if (plan.matrices.contains(matrix->name)) continue;
    return fail(ErrorCode::kInvalidArgument,
                "the plan has no entry for {}, expected one for every compressible matrix",
                matrix->name);
  }
  return {};
}

}  // namespace

Result<std::vector<RankTerm>> parse_rank_strategy(std::string_view strategy) {
  std::vector<RankTerm> terms;
  const RankTerm* dense = nullptr;
  const RankTerm* routed = nullptr;
  terms.reserve(static_cast<std::size_t>(std::count(strategy.begin(), strategy.end(), '+')) +
                1);
  for (std::size_t begin = 0; begin <= strategy.size();) {
    const std::size_t end = std::min(strategy.find('+', begin), strategy.size());
    TRINE_ASSIGN_OR_RETURN(RankTerm parsed,
                           parse_term(strategy.substr(begin, end - begin), strategy));
    terms.push_back(std::move(parsed));
    const RankTerm& term = terms.back();
    const RankRule& rule = *rank_rule_named(term.name);
    const bool meets_routed = rule.covers_routed && routed != nullptr;
    if (meets_routed || (rule.covers_dense && dense != nullptr)) {
      const RankTerm& other = meets_routed ? *routed : *dense;
      return fail(ErrorCode::kInvalidArgument,
                  "rank strategy \"{}\": {}-{} and {}-{} both speak of {}, expected one term "
                  "for each",
                  strategy, other.name, other.rank, term.name, term.rank,
                  meets_routed ? "routed experts" : "dense matrices");
    }
    if (rule.covers_dense) dense = &term;
    if (rule.covers_routed) routed = &term;
    begin = end + 1;
  }
  return terms;
}

Status apply_rank_strategy(std::string_view strategy, const ModelSpec& spec,
                           const RankInputs& inputs, const RankOptions& options, Plan& plan) {
  TRINE_ASSIGN_OR_RETURN(const auto terms, parse_rank_strategy(strategy));
  TRINE_RETURN_IF_ERROR(check_request(options, spec, plan));
  std::map<std::string, std::size_t> ranks;
  for (const RankTerm& term : terms) {
    const RankRule& rule = *rank_rule_named(term.name);
    const RankTask task{term, targets_of(spec, rule, options),
                        static_cast<double>(term.rank) * options.rank_scale, inputs, options};
    TRINE_ASSIGN_OR_RETURN(const auto found, rule.ranks(task));
    for (std::size_t i = 0; i < found.size(); ++i) {
      ranks[task.targets[i].matrix->name] = found[i];
    }
  }
  for (auto& [name, entry] : plan.matrices) {
    const auto rank = ranks.find(name);
    entry.rank = rank == ranks.end() ? 0 : rank->second;
    entry.compensator = entry.rank > 0 ? options.compensator : std::string();
    if (entry.rank > 0) entry.factor_bits = options.factor_bits;
  }
  return {};
}

}  // namespace trine::plan
