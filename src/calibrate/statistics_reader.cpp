#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/safetensors_file.h"
#include "calibrate/statistics_file.h"

namespace trine::calibrate {
namespace {

/// The diagonal of a block is summed in fp32 over 256 tokens at a time, second_moments are not:
/// 256 · 2⁻²⁴ and one rounding to fp32. A foreign block differs by far more.
constexpr double kDiagonalTolerance = 257.0 * 0x1p-24;

/// Counts up to here are exact as doubles, and sums of many of them fit 64 bits.
constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 53;

/// One file being read; every error names it.
class Reader {
 public:
  Reader(std::string name, base::SafetensorsFile file)
      : name_(std::move(name)), file_(std::move(file)) {}

  Status check_identity(const ModelIdentity& identity) const;
  [[nodiscard]] Result<MomentKind> kind() const;
  Status check_tensors(const std::vector<base::TensorPlan>& plan) const;
  [[nodiscard]] Result<std::uint64_t> total_tokens() const;
  [[nodiscard]] Result<SiteStatistics> site(const InputSite& site, MomentKind kind) const;
  [[nodiscard]] Result<RoutingStatistics> routing(std::size_t layer, const MoeSpec& moe) const;
  /// An expert's sites saw the tokens its router sent.
  Status check_counts(const ModelStatistics& statistics,
                      const std::vector<InputSite>& sites) const;

 private:
  [[nodiscard]] Result<std::string> metadata(std::string_view key) const;
  [[nodiscard]] Result<std::vector<std::uint64_t>> counts(const std::string& tensor) const;
  [[nodiscard]] Result<std::vector<double>> sums(const std::string& tensor) const;
  [[nodiscard]] Result<std::vector<float>> blocks(const std::string& tensor,
                                                  const SiteStatistics& moments) const;

  template <class T>
  [[nodiscard]] std::vector<T> values(const std::string& tensor) const {
    const auto bytes = file_.bytes(*file_.find(tensor));  // check_tensors found it
    std::vector<T> numbers(bytes.size() / sizeof(T));
    if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }

  std::string name_;
  base::SafetensorsFile file_;
};

Result<std::string> Reader::metadata(std::string_view key) const {
  const auto found = file_.metadata().find(std::string(key));
  if (found != file_.metadata().end()) return found->second;
  return fail(ErrorCode::kMalformed,
              "{}: its metadata has no \"{}\"; expected a file written by trine calibrate",
              name_, key);
}

Status Reader::check_identity(const ModelIdentity& identity) const {
  TRINE_ASSIGN_OR_RETURN(const std::string version, metadata(kVersionKey));
  if (version != std::to_string(kStatisticsVersion)) {
    return fail(ErrorCode::kUnsupported, "{}: its format has version {}, expected {}", name_,
                version, kStatisticsVersion);
  }
  ModelIdentity found;
  TRINE_ASSIGN_OR_RETURN(found.family, metadata(kFamilyKey));
  TRINE_ASSIGN_OR_RETURN(found.config_xxh3, metadata(kConfigHashKey));
  if (found == identity) return {};
  return fail(ErrorCode::kInvalidArgument,
              "{}: statistics of another model: family {} with configuration {}, expected "
              "family {} with configuration {}",
              name_, found.family, found.config_xxh3, identity.family, identity.config_xxh3);
}

Result<MomentKind> Reader::kind() const {
  TRINE_ASSIGN_OR_RETURN(const std::string text, metadata(kMomentsKey));
  const Result<MomentKind> kind = moment_kind_named(text);
  if (kind) return *kind;
  return fail(ErrorCode::kMalformed, "{}: {}", name_, kind.error().message);
}

Status Reader::check_tensors(const std::vector<base::TensorPlan>& plan) const {
  for (const base::TensorPlan& expected : plan) {
    const base::TensorEntry* found = file_.find(expected.name);
    if (found == nullptr) {
      return fail(ErrorCode::kMalformed, "{}: no tensor {}", name_, expected.name);
    }
    if (found->dtype != expected.dtype || found->shape != expected.shape) {
      return fail(ErrorCode::kMalformed, "{}: {} is {} {}, expected {} {}", name_,
                  expected.name, trine::name_of(found->dtype), base::shape_text(found->shape),
                  trine::name_of(expected.dtype), base::shape_text(expected.shape));
    }
  }
  if (file_.tensors().size() == plan.size()) return {};
  for (const base::TensorEntry& entry : file_.tensors()) {
    const auto is_it = [&](const base::TensorPlan& tensor) {
      return tensor.name == entry.name;
    };
    if (std::none_of(plan.begin(), plan.end(), is_it)) {
      return fail(ErrorCode::kMalformed, "{}: {} is no tensor of this model's statistics",
                  name_, entry.name);
    }
  }
  return {};
}

Result<std::uint64_t> Reader::total_tokens() const {
  TRINE_ASSIGN_OR_RETURN(const std::string text, metadata(kTokensKey));
  std::uint64_t tokens = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, tokens);
  if (error != std::errc() || stop != end || tokens == 0 || tokens > kMostTokens) {
    return fail(ErrorCode::kMalformed, "{}: tokens is \"{}\", expected a positive number",
                name_, text);
  }
  return tokens;
}

Result<std::vector<std::uint64_t>> Reader::counts(const std::string& tensor) const {
  auto numbers = values<std::uint64_t>(tensor);
  for (const std::uint64_t number : numbers) {
    if (number > kMostTokens) {
      return fail(ErrorCode::kMalformed, "{}: {} has the count {}, expected 0 to {}", name_,
                  tensor, static_cast<std::int64_t>(number), kMostTokens);
    }
  }
  return numbers;
}

Result<std::vector<double>> Reader::sums(const std::string& tensor) const {
  auto numbers = values<double>(tensor);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!std::isfinite(numbers[i]) || numbers[i] < 0.0) {
      return fail(ErrorCode::kMalformed,
                  "{}: element {} of {} is {}, expected a finite number of at least 0", name_,
                  i, tensor, numbers[i]);
    }
  }
  return numbers;
}

Result<std::vector<float>> Reader::blocks(const std::string& tensor,
                                          const SiteStatistics& moments) const {
  auto numbers = values<float>(tensor);
  const std::size_t in_features = moments.second_moments.size();
  const float* block = numbers.data();
  for (std::size_t first = 0; first < in_features; first += moments.block_size) {
    const std::size_t width = std::min(moments.block_size, in_features - first);
    for (std::size_t i = 0; i < width; ++i) {
      const double diagonal = moments.second_moments[first + i];
      if (!(std::abs(block[i * width + i] - diagonal) <= kDiagonalTolerance * diagonal)) {
        return fail(ErrorCode::kMalformed,
                    "{}: {} says {} for input {}, second_moments {}; expected the same", name_,
                    tensor, block[i * width + i], first + i, diagonal);
      }
      for (std::size_t j = 0; j < i; ++j) {
        if (!std::isfinite(block[i * width + j]) ||
            block[i * width + j] != block[j * width + i]) {
          return fail(ErrorCode::kMalformed,
                      "{}: {} is not finite and symmetric at inputs {} and {}", name_, tensor,
                      first + j, first + i);
        }
      }
    }
    block += width * width;
  }
  return numbers;
}

Result<SiteStatistics> Reader::site(const InputSite& site, MomentKind kind) const {
  SiteStatistics moments{.block_size = block_size_of(kind, site.in_features)};
  TRINE_ASSIGN_OR_RETURN(const auto tokens, counts(site.name + ".tokens"));
  moments.tokens = tokens.front();
  TRINE_ASSIGN_OR_RETURN(moments.second_moments, sums(site.name + ".second_moments"));
  if (moments.block_size > 0) {
    TRINE_ASSIGN_OR_RETURN(moments.moment_blocks,
                           blocks(site.name + ".moment_blocks", moments));
  }
  const auto is_zero = [](auto value) { return value == 0; };
  if (moments.tokens == 0 &&
      !(std::all_of(moments.second_moments.begin(), moments.second_moments.end(), is_zero) &&
        std::all_of(moments.moment_blocks.begin(), moments.moment_blocks.end(), is_zero))) {
    return fail(ErrorCode::kMalformed, "{}: {} saw 0 tokens and has moments other than 0",
                name_, site.name);
  }
  if (moments.tokens == 0 && !site.expert) {
    return fail(ErrorCode::kMalformed,
                "{}: {} saw 0 tokens, expected some: every token of the "
                "text passes it",
                name_, site.name);
  }
  return moments;
}

Result<RoutingStatistics> Reader::routing(std::size_t layer, const MoeSpec& moe) const {
  const std::string prefix = fmt::format("routing.{}", layer);
  RoutingStatistics routing;
  TRINE_ASSIGN_OR_RETURN(const auto tokens, counts(prefix + ".tokens"));
  routing.tokens = tokens.front();
  TRINE_ASSIGN_OR_RETURN(routing.expert_counts, counts(prefix + ".expert_counts"));
  TRINE_ASSIGN_OR_RETURN(routing.weight_sums, sums(prefix + ".weight_sums"));
  const std::uint64_t sent = std::accumulate(routing.expert_counts.begin(),
                                             routing.expert_counts.end(), std::uint64_t{0});
  if (sent != routing.tokens * moe.router.experts_per_token) {
    return fail(ErrorCode::kMalformed,
                "{}: the counts of {} sum to {}, expected {} tokens times {} experts", name_,
                prefix, sent, routing.tokens, moe.router.experts_per_token);
  }
  for (std::size_t expert = 0; expert < routing.expert_counts.size(); ++expert) {
    if (routing.expert_counts[expert] > routing.tokens) {
      return fail(ErrorCode::kMalformed,
                  "{}: {} sent {} tokens to expert {}, expected at most {}", name_, prefix,
                  routing.expert_counts[expert], expert, routing.tokens);
    }
  }
  return routing;
}

Status Reader::check_counts(const ModelStatistics& statistics,
                            const std::vector<InputSite>& sites) const {
  for (const InputSite& site : sites) {
    if (!site.expert) continue;
    const std::uint64_t seen = statistics.sites.at(site.name).tokens;
    const std::uint64_t sent = statistics.routing.at(site.layer).expert_counts[*site.expert];
    if (seen != sent) {
      return fail(ErrorCode::kMalformed,
                  "{}: {} saw {} tokens, expected the {} its router sent", name_, site.name,
                  seen, sent);
    }
  }
  return {};
}

}  // namespace

Result<StoredStatistics> read_statistics(const std::filesystem::path& path,
                                         const ModelSpec& spec, const ModelIdentity& identity) {
  TRINE_ASSIGN_OR_RETURN(auto file, base::SafetensorsFile::open(path));
  const Reader reader(path.string(), std::move(file));
  TRINE_RETURN_IF_ERROR(reader.check_identity(identity));
  StoredStatistics stored;
  TRINE_ASSIGN_OR_RETURN(stored.kind, reader.kind());
  TRINE_RETURN_IF_ERROR(reader.check_tensors(statistics_plan(spec, stored.kind)));
  TRINE_ASSIGN_OR_RETURN(stored.statistics.tokens, reader.total_tokens());
  const std::vector<InputSite> sites = input_sites(spec);
  for (const InputSite& site : sites) {
    TRINE_ASSIGN_OR_RETURN(auto moments, reader.site(site, stored.kind));
    stored.statistics.sites.emplace(site.name, std::move(moments));
  }
  for (std::size_t layer = 0; layer < spec.layers.size(); ++layer) {
    if (!spec.layers[layer].moe) continue;
    TRINE_ASSIGN_OR_RETURN(auto routing, reader.routing(layer, *spec.layers[layer].moe));
    stored.statistics.routing.emplace(layer, std::move(routing));
  }
  TRINE_RETURN_IF_ERROR(reader.check_counts(stored.statistics, sites));
  return stored;
}

}  // namespace trine::calibrate
