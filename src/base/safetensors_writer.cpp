#include "base/safetensors_writer.h"

#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "base/json.h"

namespace trine::base {
namespace {

/// `text` as a JSON string. Bytes that are not UTF-8 become U+FFFD, which the check of the
/// finished header then reports as a name that is not the plan's.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<TensorEntry>> lay_out(const std::vector<TensorPlan>& plan,
                                         const std::string& file) {
  std::vector<TensorEntry> tensors;
  tensors.reserve(plan.size());
  std::size_t end = 0;
  for (const TensorPlan& tensor : plan) {
    const std::string where = fmt::format("{}: tensor \"{}\"", file, tensor.name);
    TRINE_ASSIGN_OR_RETURN(const std::size_t size,
                           tensor_size_bytes(tensor.dtype, tensor.shape, where));
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, end, size});
    if (__builtin_add_overflow(end, size, &end)) {
      return fail(ErrorCode::kMalformed, "{}: the sum of all sizes overflows 64 bits", where);
    }
  }
  return tensors;
}

/// The header's JSON, padded with spaces until the data section starts aligned.
std::string header_text(const std::vector<TensorEntry>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += quoted(std::string(kMetadataKey)) + ":{";
    for (const auto& [key, value] : metadata) {
      if (text.back() != '{') text += ',';
      text += quoted(key) + ':' + quoted(value);
    }
    text += '}';
  }
  for (const TensorEntry& tensor : tensors) {
    if (text.size() > 1) text += ',';
    text +=
        fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                    quoted(tensor.name), name_of(tensor.dtype), fmt::join(tensor.shape, ","),
                    tensor.offset_bytes, tensor.offset_bytes + tensor.size_bytes);
  }
  text += '}';
  constexpr std::size_t kAlignment = SafetensorsWriter::kDataAlignment;
  const std::size_t unaligned = (sizeof(std::uint64_t) + text.size()) % kAlignment;
  text.append((kAlignment - unaligned) % kAlignment, ' ');
  return text;
}

/// Reads the header back the way any reader will; what it says must be what was planned.
Status check_readable(const std::string& text, const std::vector<TensorEntry>& tensors,
                      const std::map<std::string, std::string>& metadata,
                      const std::string& file) {
  if (text.size() > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kMalformed, "{}: a header of {} bytes, at most {} are allowed", file,
                text.size(), kMaxSafetensorsHeaderBytes);
  }
  const std::size_t data_bytes =
      tensors.empty() ? 0 : tensors.back().offset_bytes + tensors.back().size_bytes;
  TRINE_ASSIGN_OR_RETURN(const auto header, parse_safetensors_header(text, data_bytes, file));
  std::set<std::string_view> read_names;
  for (const TensorEntry& tensor : header.tensors) read_names.insert(tensor.name);
  for (const TensorEntry& tensor : tensors) {
    if (!read_names.contains(tensor.name)) {
      return fail(ErrorCode::kMalformed, "{}: tensor name \"{}\" is reserved or not UTF-8",
                  file, tensor.name);
    }
  }
  if (header.metadata != metadata) {
    return fail(ErrorCode::kMalformed, "{}: the metadata is not valid UTF-8", file);
  }
  return {};
}

/// The rules are the reader's; to a writer's caller their breach is a wrong argument.
tl::unexpected<Error> as_argument_error(Error error) {
  error.code = ErrorCode::kInvalidArgument;
  return tl::unexpected<Error>(std::move(error));
}

std::array<std::uint8_t, 8> little_endian(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(value & 0xFF);
    value >>= 8;
  }
  return bytes;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(AtomicFile file, std::string name,
                                     std::vector<TensorEntry> tensors,
                                     std::uint64_t header_bytes)
    : file_(std::move(file)),
      name_(std::move(name)),
      tensors_(std::move(tensors)),
      position_(header_bytes) {
  skip_full_tensors();
}

Result<SafetensorsWriter> SafetensorsWriter::create(
    const std::filesystem::path& path, const std::vector<TensorPlan>& plan,
    const std::map<std::string, std::string>& metadata) {
  auto tensors = lay_out(plan, path.string());
  if (!tensors) return as_argument_error(std::move(tensors).error());
  const std::string text = header_text(*tensors, metadata);
  if (auto status = check_readable(text, *tensors, metadata, path.string()); !status) {
    return as_argument_error(std::move(status).error());
  }
  TRINE_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  TRINE_RETURN_IF_ERROR(file.write(little_endian(text.size())));
  TRINE_RETURN_IF_ERROR(file.write(text));
  return SafetensorsWriter(std::move(file), path.string(), std::move(*tensors),
                           sizeof(std::uint64_t) + text.size());
}

void SafetensorsWriter::skip_full_tensors() {
  while (current_ < tensors_.size() && written_bytes_ == tensors_[current_].size_bytes) {
    ++current_;
    written_bytes_ = 0;
  }
}

Status SafetensorsWriter::append(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return {};
  if (current_ == tensors_.size()) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} bytes after the last tensor is full",
                name_, bytes.size());
  }
  const TensorEntry& tensor = tensors_[current_];
  if (bytes.size() > tensor.size_bytes - written_bytes_) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: tensor \"{}\" takes {} bytes, {} are written and {} more were given",
                name_, tensor.name, tensor.size_bytes, written_bytes_, bytes.size());
  }
  TRINE_RETURN_IF_ERROR(file_.write(bytes));
  written_bytes_ += bytes.size();
  position_ += bytes.size();
  skip_full_tensors();
  return {};
}

Status SafetensorsWriter::finish() {
  if (current_ < tensors_.size()) {
    const TensorEntry& tensor = tensors_[current_];
    return fail(ErrorCode::kInvalidArgument,
                "{}: tensor \"{}\" takes {} bytes, only {} were written", name_, tensor.name,
                tensor.size_bytes, written_bytes_);
  }
  return file_.commit();
}

}  // namespace trine::base
