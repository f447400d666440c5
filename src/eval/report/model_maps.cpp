#include "eval/report/model_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string_view>
#include <utility>

namespace trine::eval::report {
namespace {

using Values = std::optional<double> (*)(const Matrix&);

/// How the matrices of one expert become one number.
enum class Combination { kMean, kRootMeanSquare, kLargest };

/// A number every matrix has, or may have.
struct Measure {
  const char* id;
  const char* title;
  const char* unit;
  const char* note;
  Values value;
  Combination combination;
};

template <class T>
std::optional<double> if_packed(const Matrix& matrix, T value) {
  return matrix.is_packed ? std::optional(static_cast<double>(value)) : std::nullopt;
}

constexpr Measure kMeasures[] = {
    {"bits", "Bits", "bits per code",
     "Width of one code; of an expert the mean of its matrices, by their weights.",
     [](const Matrix& m) { return if_packed(m, m.bits); }, Combination::kMean},
    {"rank", "Rank of compensators", "rank",
     "Rank of the low-rank compensator; of an expert the mean of its matrices, by their "
     "weights.",
     [](const Matrix& m) { return if_packed(m, m.rank); }, Combination::kMean},
    {"weight-error", "Weight error", "‖W − Ŵ‖ / ‖W‖, Frobenius",
     "Compensator included; of an expert over all of its weights. Without the original all "
     "weights are taken to be equally large.",
     [](const Matrix& m) { return m.weight_error; }, Combination::kRootMeanSquare},
    {"kurtosis", "Kurtosis", "excess kurtosis; 0 is normal",
     "Tails of the original weights; of an expert the mean of its matrices, by their weights.",
     [](const Matrix& m) { return m.excess_kurtosis; }, Combination::kMean},
    {"row-variance", "Maximum row variance", "variance of weights",
     "Largest variance of a row of the original; of an expert the largest of its matrices.",
     [](const Matrix& m) { return m.max_row_variance; }, Combination::kLargest},
};

/// One number out of those of `matrices`; absent when one of them has none.
std::optional<double> combined(const Measure& measure,
                               std::span<const Matrix* const> matrices) {
  double sum = 0.0, weights = 0.0, largest = 0.0;
  const bool has_norms = std::all_of(matrices.begin(), matrices.end(), [](const Matrix* m) {
    return m->squared_norm.has_value();
  });
  for (const Matrix* matrix : matrices) {
    const std::optional<double> value = measure.value(*matrix);
    if (!value) return std::nullopt;
    const bool is_square = measure.combination == Combination::kRootMeanSquare;
    const double weight = is_square && has_norms ? *matrix->squared_norm
                                                 : static_cast<double>(matrix->num_weights());
    sum += weight * (is_square ? *value * *value : *value);
    weights += weight;
    largest = matrix == matrices.front() ? *value : std::max(largest, *value);
  }
  if (measure.combination == Combination::kLargest) return largest;
  if (weights == 0.0) return 0.0;
  return measure.combination == Combination::kMean ? sum / weights : std::sqrt(sum / weights);
}

/// Layers and columns of a model and the matrices of each cell.
class Grid {
 public:
  explicit Grid(const std::vector<Matrix>& matrices) {
    for (const Matrix& matrix : matrices) {
      const std::string_view group = group_of(matrix.role);
      if (!matrix.place || group.empty()) continue;
      const Place& place = *matrix.place;
      const Row row{!place.is_encoder, place.layer};
      if (!place.expert) {
        add_column(group, place.projection);
        cells_[row][{std::string(group), place.projection}].push_back(&matrix);
        continue;
      }
      const std::string expert = std::to_string(*place.expert);
      num_experts_ = std::max(num_experts_, *place.expert + 1);
      cells_[row][{kExperts, expert}].push_back(&matrix);
      experts_[{row, place.projection}][*place.expert] = &matrix;
    }
    has_encoder_ = !cells_.empty() && !cells_.begin()->first.first;
    if (num_experts_ == 0) return;
    columns_.push_back({kExperts, {}});
    for (std::size_t i = 0; i < num_experts_; ++i) {
      columns_.back().labels.push_back(std::to_string(i));
    }
  }

  [[nodiscard]] HeatMap map_of(const Measure& measure) const {
    HeatMap map = named(measure);
    map.columns = columns_;
    for (const auto& [row, cells] : cells_) {
      HeatMapRow values{label_of(row), {}};
      for (const HeatMapColumns& group : columns_) {
        for (const std::string& label : group.labels) {
          const auto found = cells.find({group.title, label});
          values.values.push_back(found == cells.end() ? std::nullopt
                                                       : combined(measure, found->second));
        }
      }
      map.rows.push_back(std::move(values));
    }
    return map;
  }

  /// Rows are the projections of each layer, columns experts. Empty when every expert's matrices
  /// have the same number, or there are too many of them for a page.
  [[nodiscard]] HeatMap by_projection(const Measure& measure) const {
    constexpr std::size_t kMostCells = 6144;  // three matrices of 64 experts in 32 layers
    HeatMap map = named(measure);
    if (experts_.size() * num_experts_ > kMostCells) return map;
    map.row_title = "layer and matrix";
    map.note = "Every matrix of every expert.";
    map.columns = {columns_.empty() ? HeatMapColumns{} : columns_.back()};
    std::map<std::pair<Row, std::size_t>, double> seen;
    bool differ = false;
    for (const auto& [place, matrices] : experts_) {
      HeatMapRow row{label_of(place.first) + " " + place.second, {}};
      row.values.resize(num_experts_);
      for (const auto& [expert, matrix] : matrices) {
        row.values[expert] = measure.value(*matrix);
        if (!row.values[expert]) continue;
        const double value = *row.values[expert];
        differ |= seen.try_emplace({place.first, expert}, value).first->second != value;
      }
      map.rows.push_back(std::move(row));
    }
    if (!differ) map.rows.clear();
    return map;
  }

 private:
  static constexpr const char* kExperts = "experts";
  using Row = std::pair<bool, std::size_t>;  ///< of the decoder?, layer: encoders come first
  using Column = std::pair<std::string, std::string>;

  /// Title of the columns a matrix of that role stands in; empty: not in the maps.
  static std::string_view group_of(std::string_view role) {
    if (role == "attention" || role == "latent") return "attention";
    if (role == "dense") return "dense";
    if (role == "shared_expert") return "shared expert";
    return role == "expert" ? kExperts : std::string_view{};
  }

  static HeatMap named(const Measure& measure) {
    return {
        .id = measure.id, .title = measure.title, .unit = measure.unit, .note = measure.note};
  }

  void add_column(std::string_view group, const std::string& label) {
    const auto has_title = [&](const HeatMapColumns& c) { return c.title == group; };
    auto found = std::find_if(columns_.begin(), columns_.end(), has_title);
    if (found == columns_.end()) {
      found = columns_.insert(columns_.end(), {std::string(group), {}});
    }
    const auto& labels = found->labels;
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) {
      found->labels.push_back(label);
    }
  }

  [[nodiscard]] std::string label_of(const Row& row) const {
    if (!has_encoder_) return std::to_string(row.second);
    return fmt::format("{} {}", row.first ? "decoder" : "encoder", row.second);
  }

  std::map<Row, std::map<Column, std::vector<const Matrix*>>> cells_{};
  std::map<std::pair<Row, std::string>, std::map<std::size_t, const Matrix*>> experts_{};
  std::vector<HeatMapColumns> columns_{};
  std::size_t num_experts_ = 0;
  bool has_encoder_ = false;
};

/// A map of numbers that belong to experts as a whole.
HeatMap experts_map(HeatMap map, const std::vector<LayerExperts>& layers,
                    std::vector<double> LayerExperts::*values, double factor) {
  map.columns = {{"experts", {}}};
  std::vector<std::string>& labels = map.columns.front().labels;
  for (const LayerExperts& layer : layers) {
    HeatMapRow row{std::to_string(layer.layer), {}};
    for (const double value : layer.*values) row.values.emplace_back(factor * value);
    while (labels.size() < row.values.size()) labels.push_back(std::to_string(labels.size()));
    map.rows.push_back(std::move(row));
  }
  return map;
}

}  // namespace

std::vector<ModelMap> model_maps(const ReportData& data) {
  std::vector<ModelMap> maps;
  const Grid grid(data.matrices);
  for (const Measure& measure : kMeasures) {
    maps.push_back({grid.map_of(measure), grid.by_projection(measure)});
  }
  const auto& layers = data.layer_experts;
  maps.push_back({experts_map({.id = "router-norm",
                               .title = "Router norm",
                               .unit = "‖w‖₂",
                               .note = "Length of each expert's row of the router."},
                              layers, &LayerExperts::router_norms, 1.0),
                  {}});
  maps.push_back({experts_map({.id = "router-norm-change",
                               .title = "Change of the router norm in training",
                               .unit = "‖w(T)‖₂ − ‖w(0)‖₂",
                               .note = "Against the checkpoint training began with."},
                              layers, &LayerExperts::router_norm_changes, 1.0),
                  {}});
  maps.push_back(
      {experts_map({.id = "use",
                    .title = "Use of experts",
                    .unit = "% of the layer's tokens",
                    .note = "From the statistics; a layer's experts sum to 100 % times "
                            "the experts per token."},
                   layers, &LayerExperts::use, 100.0),
       {}});
  const bool has_ranks = std::any_of(data.matrices.begin(), data.matrices.end(),
                                     [](const Matrix& matrix) { return matrix.rank > 0; });
  std::erase_if(maps, [&](const ModelMap& map) {
    return !has_values(map.map) || (map.map.id == "rank" && !has_ranks);
  });
  return maps;
}

}  // namespace trine::eval::report
