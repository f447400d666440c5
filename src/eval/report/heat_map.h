// A table of numbers whose cells are coloured: readable as a picture, as numbers and aloud.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace trine::eval::report {

struct HeatMapColumns {
  std::string title{};                ///< "experts"
  std::vector<std::string> labels{};  ///< "0", "1", …
};

struct HeatMapRow {
  std::string label{};
  std::vector<std::optional<double>> values{};  ///< one per column, over all groups of columns
};

struct HeatMap {
  std::string id{};     ///< of the section, unique on the page
  std::string title{};  ///< "Weight error"
  std::string unit{};   ///< stands in the legend
  std::string note{};   ///< a sentence: what a cell is
  std::string row_title = "layer";
  std::vector<HeatMapColumns> columns{};
  std::vector<HeatMapRow> rows{};
};

/// False when no cell has a value.
[[nodiscard]] bool has_values(const HeatMap& map);

/// Legend and table, without a heading. Columns without any value are left out. With many columns
/// the cells shrink and their numbers are only read aloud and shown on pointing.
[[nodiscard]] std::string render_heat_map(const HeatMap& map);

}  // namespace trine::eval::report
