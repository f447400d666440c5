#include "eval/plain_reads.h"

#include <cstring>
#include <utility>

namespace trine::eval {
namespace {

/// Of one read: four times a cache of 32 MiB, some 4 ms.
constexpr std::size_t kStretch = std::size_t{128} << 20;
constexpr std::size_t kQuickStretch = std::size_t{16} << 20;

}  // namespace

Result<PlainReads> PlainReads::allocate(bool quick) {
  const std::size_t bytes = uncached_bytes(quick);
  TRINE_ASSIGN_OR_RETURN(LargeBuffer buffer, LargeBuffer::allocate(bytes));
  // Pages of zeros would be shared, one for all.
  std::memset(buffer.bytes().data(), 1, bytes);
  return PlainReads(std::move(buffer), std::min(quick ? kQuickStretch : kStretch, bytes));
}

std::span<const std::uint8_t> PlainReads::next_stretch() noexcept {
  if (next_ + stretch_bytes_ > buffer_.bytes().size()) next_ = 0;
  const auto stretch = buffer_.bytes().subspan(next_, stretch_bytes_);
  next_ += stretch_bytes_;
  return stretch;
}

std::vector<double> shares_of_reads(std::span<const double> rates,
                                    std::span<const double> reads) {
  check(reads.size() == rates.size() + 1, "shares_of_reads: one read more than pieces of work");
  std::vector<double> shares;
  for (std::size_t piece = 0; piece < rates.size(); ++piece) {
    shares.push_back(rates[piece] / ((reads[piece] + reads[piece + 1]) / 2.0));
  }
  return shares;
}

ReadShare summary(const std::vector<double>& shares, const std::vector<double>& reads) {
  return {median(reads), median(shares), quantile(shares, 0.25), quantile(shares, 0.75)};
}

}  // namespace trine::eval
