#include "calibrate/moments.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/linalg/blas.h"

namespace trine::calibrate {
namespace {

constexpr std::array<std::pair<MomentKind, std::string_view>, 3> kKinds = {
    {{MomentKind::kDiagonal, "diagonal"},
     {MomentKind::kBlocks, "blocks"},
     {MomentKind::kFull, "full"}}};

/// Channels and tile sides of one task: a tile's two panels and its product are 330 kB and stay
/// in the second-level cache.
constexpr std::size_t kTaskChannels = 128;

/// Waking a thread costs some 20 µs; it should get more work than that.
int threads_for(std::size_t multiplications, int most) {
  constexpr std::size_t kWorthOneThread = std::size_t{1} << 20;
  const std::size_t worth = 1 + multiplications / kWorthOneThread;
  return static_cast<int>(std::min(worth, static_cast<std::size_t>(most)));
}

/// target[channel, token] = inputs[token, first_channel + channel]
void transpose(const float* inputs, std::size_t stride, std::size_t num_tokens,
               std::size_t num_channels, float* target) {
  for (std::size_t token = 0; token < num_tokens; ++token) {
    for (std::size_t channel = 0; channel < num_channels; ++channel) {
      target[channel * num_tokens + token] = inputs[token * stride + channel];
    }
  }
}

}  // namespace

std::string_view name_of(MomentKind kind) noexcept {
  for (const auto& [known, name] : kKinds) {
    if (known == kind) return name;
  }
  return "unknown";
}

Result<MomentKind> moment_kind_named(std::string_view name) {
  for (const auto& [kind, known] : kKinds) {
    if (known == name) return kind;
  }
  return fail(ErrorCode::kInvalidArgument,
              "moments is \"{}\", expected diagonal, blocks or full", name);
}

std::size_t block_size_of(MomentKind kind, std::size_t in_features) noexcept {
  if (kind == MomentKind::kDiagonal) return 0;
  return kind == MomentKind::kBlocks ? kBlockInputs : in_features;
}

std::uint64_t moment_bytes(std::span<const InputSite> sites, MomentKind kind) noexcept {
  std::uint64_t values = 0;
  for (const InputSite& site : sites) {
    values += site.in_features +
              moment_block_values(site.in_features, block_size_of(kind, site.in_features));
  }
  return values * sizeof(double);
}

MomentSums::MomentSums(std::size_t in_features, std::size_t block_size)
    : in_features_(in_features),
      block_size_(block_size),
      squares_(in_features),
      products_(moment_block_values(in_features, block_size)) {
  divide_into_tiles();
}

void MomentSums::divide_into_tiles() {
  if (block_size_ == 0) return;
  std::size_t block_value = 0;
  for (std::size_t first = 0; first < in_features_; first += block_size_) {
    const std::size_t width = std::min(block_size_, in_features_ - first);
    for (std::size_t row = 0; row < width; row += kTaskChannels) {
      for (std::size_t col = row; col < width; col += kTaskChannels) {
        tiles_.push_back({.row_channel = first + row,
                          .num_rows = std::min(kTaskChannels, width - row),
                          .col_channel = first + col,
                          .num_cols = std::min(kTaskChannels, width - col),
                          .first_value = block_value + row * width + col,
                          .stride = width,
                          .mirror = block_value + col * width + row});
      }
    }
    block_value += width * width;
  }
}

void MomentSums::add(const float* inputs, std::size_t num_tokens, int threads) {
  add_squares(inputs, num_tokens, threads);
  add_products(inputs, num_tokens, threads);
  tokens_ += num_tokens;
}

void MomentSums::add_squares(const float* inputs, std::size_t num_tokens, int threads) {
#pragma omp parallel for num_threads(threads_for(num_tokens* in_features_, threads)) \
    schedule(static)
  for (std::size_t first = 0; first < in_features_; first += kTaskChannels) {
    const std::size_t end = std::min(first + kTaskChannels, in_features_);
    for (std::size_t token = 0; token < num_tokens; ++token) {
      const float* row = inputs + token * in_features_;
      for (std::size_t channel = first; channel < end; ++channel) {
        squares_[channel] += double{row[channel]} * double{row[channel]};
      }
    }
  }
}

void MomentSums::add_products(const float* inputs, std::size_t num_tokens, int threads) {
  if (tiles_.empty()) return;
  const std::size_t work = tiles_.size() * kTaskChannels * kTaskChannels * num_tokens;
#pragma omp parallel num_threads(threads_for(work, threads))
  {
    std::vector<float> scratch;
#pragma omp for schedule(dynamic)
    for (std::size_t index = 0; index < tiles_.size(); ++index) {
      add_tile(tiles_[index], inputs, num_tokens, scratch);
    }
  }
}

void MomentSums::add_tile(const Tile& tile, const float* inputs, std::size_t num_tokens,
                          std::vector<float>& scratch) {
  scratch.resize(kTaskChannels * (2 * kChunkTokens + kTaskChannels));
  float* rows = scratch.data();
  float* cols = rows + kTaskChannels * kChunkTokens;
  float* product = cols + kTaskChannels * kChunkTokens;
  const bool is_diagonal = tile.row_channel == tile.col_channel;
  for (std::size_t first = 0; first < num_tokens; first += kChunkTokens) {
    const std::size_t count = std::min(kChunkTokens, num_tokens - first);
    const float* chunk = inputs + first * in_features_;
    transpose(chunk + tile.row_channel, in_features_, count, tile.num_rows, rows);
    if (!is_diagonal) {
      transpose(chunk + tile.col_channel, in_features_, count, tile.num_cols, cols);
    }
    kernels::multiply_transposed(tile.num_rows, tile.num_cols, count, 1.0f, {rows, count},
                                 {is_diagonal ? rows : cols, count}, {product, tile.num_cols});
    for (std::size_t row = 0; row < tile.num_rows; ++row) {
      double* target = products_.data() + tile.first_value + row * tile.stride;
      for (std::size_t col = 0; col < tile.num_cols; ++col) {
        target[col] += double{product[row * tile.num_cols + col]};
      }
    }
  }
}

SiteStatistics MomentSums::take() {
  SiteStatistics means{.tokens = tokens_, .block_size = block_size_};
  const double count = static_cast<double>(std::max<std::uint64_t>(tokens_, 1));
  means.second_moments = std::exchange(squares_, {});
  for (double& moment : means.second_moments) moment /= count;
  means.moment_blocks.resize(products_.size());
  for (const Tile& tile : tiles_) {
    // Of a tile on the diagonal only the upper half counts, so that the block is symmetric
    // whatever order the product was summed in.
    const bool is_diagonal = tile.row_channel == tile.col_channel;
    for (std::size_t row = 0; row < tile.num_rows; ++row) {
      for (std::size_t col = is_diagonal ? row : 0; col < tile.num_cols; ++col) {
        const auto mean =
            static_cast<float>(products_[tile.first_value + row * tile.stride + col] / count);
        means.moment_blocks[tile.first_value + row * tile.stride + col] = mean;
        means.moment_blocks[tile.mirror + col * tile.stride + row] = mean;
      }
    }
  }
  products_ = {};
  tiles_.clear();
  return means;
}

}  // namespace trine::calibrate
