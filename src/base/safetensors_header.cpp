#include "base/safetensors_header.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>

namespace trine::base {
namespace {

namespace ondemand = simdjson::ondemand;

/// Reads one header. simdjson's on-demand parser hands over keys as they stand in the text, so
/// a repeated one is seen; it checks only what is read, so every value is read or refused. UTF-8 it checks of all text.
class HeaderReader {
 public:
  HeaderReader(std::string_view file, std::size_t data_bytes)
      : file_(file), data_bytes_(data_bytes) {}

  [[nodiscard]] Status read(std::string_view text) {
    if (text.empty() || text.front() != '{') {
      return fail(ErrorCode::kMalformed, "{}: the header does not start with '{{'", file_);
    }
    const simdjson::padded_string padded(text);  // the parser reads past the end
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    if (const auto error = parser.iterate(padded).get(document)) return bad_json(error);
    if (const auto error = document.get_object().get(object)) return bad_json(error);
    TRINE_RETURN_IF_ERROR(read_members(object));
    if (!document.current_location().error()) {  // an error: there is no location left
      return fail(ErrorCode::kMalformed, "{}: the header goes on after its closing '}}'",
                  file_);
    }
    return {};
  }

  [[nodiscard]] SafetensorsHeader take() { return std::move(header_); }

 private:
  [[nodiscard]] Status read_members(ondemand::object& object) {
    std::unordered_set<std::string> names;
    for (auto field : object) {
      TRINE_ASSIGN_OR_RETURN(const std::string name, key_of(field));
      if (!names.insert(name).second) {
        return fail(ErrorCode::kMalformed, "{}: tensor name \"{}\" appears twice", file_, name);
      }
      if (names.size() > kMaxTensors + 1) {  // one more for the metadata
        return fail(ErrorCode::kMalformed, "{}: more than {} tensors", file_, kMaxTensors);
      }
      ondemand::value value;
      if (const auto error = field.value().get(value)) return bad_json(error);
      TRINE_RETURN_IF_ERROR(name == kMetadataKey ? read_metadata(value)
                                                 : read_tensor(name, value));
    }
    return {};
  }

  [[nodiscard]] Status read_metadata(ondemand::value& value) {
    ondemand::object object;
    if (value.get_object().get(object)) return bad_value(kMetadataKey, "an object of strings");
    for (auto field : object) {
      TRINE_ASSIGN_OR_RETURN(const std::string key, key_of(field));
      std::string_view text;
      if (field.value().get_string().get(text)) {
        return bad_value(fmt::format("{} \"{}\"", kMetadataKey, key), "a string");
      }
      if (!header_.metadata.emplace(key, text).second) {
        return fail(ErrorCode::kMalformed, "{}: {} key \"{}\" appears twice", file_,
                    kMetadataKey, key);
      }
    }
    return {};
  }

  [[nodiscard]] Status read_tensor(const std::string& name, ondemand::value& value) {
    const bool printable = std::all_of(name.begin(), name.end(), [](char character) {
      return static_cast<unsigned char>(character) >= 0x20 && character != 0x7F;
    });
    if (name.empty() || name.size() > kMaxTensorNameBytes || !printable) {
      return fail(ErrorCode::kMalformed,
                  "{}: a tensor name of {} bytes, expected 1 to {} without control characters",
                  file_, name.size(), kMaxTensorNameBytes);
    }
    const std::string tensor = fmt::format("tensor \"{}\"", name);
    ondemand::object object;
    if (value.get_object().get(object)) return bad_value(tensor, "an object");
    TensorEntry entry{.name = name};
    TRINE_RETURN_IF_ERROR(read_fields(tensor, object, entry));
    TRINE_ASSIGN_OR_RETURN(const std::size_t size,
                           tensor_size_bytes(entry.dtype, entry.shape, file_ + ": " + tensor));
    if (size != entry.size_bytes) {
      return fail(ErrorCode::kMalformed, "{}: {} spans {} bytes, but {} {} takes {}", file_,
                  tensor, entry.size_bytes, name_of(entry.dtype), shape_text(entry.shape),
                  size);
    }
    header_.tensors.push_back(std::move(entry));
    return {};
  }

  [[nodiscard]] Status read_fields(const std::string& tensor, ondemand::object& object,
                                   TensorEntry& entry) {
    std::set<std::string> seen;
    for (auto field : object) {
      TRINE_ASSIGN_OR_RETURN(const std::string key, key_of(field));
      if (!seen.insert(key).second) {
        return fail(ErrorCode::kMalformed, "{}: {} has field \"{}\" twice", file_, tensor, key);
      }
      ondemand::value value;
      if (const auto error = field.value().get(value)) return bad_json(error);
      TRINE_RETURN_IF_ERROR(read_field(tensor, key, value, entry));
    }
    for (const char* needed : {"dtype", "shape", "data_offsets"}) {
      if (!seen.contains(needed)) {
        return fail(ErrorCode::kMalformed, "{}: {} has no field \"{}\"", file_, tensor, needed);
      }
    }
    return {};
  }

  [[nodiscard]] Status read_field(const std::string& tensor, const std::string& key,
                                  ondemand::value& value, TensorEntry& entry) {
    if (key == "dtype") return read_dtype(tensor, value, entry);
    if (key == "shape") {
      TRINE_ASSIGN_OR_RETURN(entry.shape,
                             read_numbers(tensor + ".shape", value, kMaxTensorRank));
      return {};
    }
    if (key == "data_offsets") return read_offsets(tensor + ".data_offsets", value, entry);
    return fail(ErrorCode::kMalformed,
                "{}: {} has field \"{}\", expected only dtype, shape and data_offsets", file_,
                tensor, key);
  }

  [[nodiscard]] Status read_dtype(const std::string& tensor, ondemand::value& value,
                                  TensorEntry& entry) {
    std::string_view name;
    if (value.get_string().get(name)) return bad_value(tensor + ".dtype", "a string");
    const std::optional<DType> dtype = dtype_named(name);
    if (!dtype) {
      return fail(
          ErrorCode::kUnsupported,
          "{}: {} has dtype \"{}\", expected a safetensors number type such as \"BF16\"", file_,
          tensor, name);
    }
    entry.dtype = *dtype;
    return {};
  }

  [[nodiscard]] Status read_offsets(const std::string& where, ondemand::value& value,
                                    TensorEntry& entry) {
    TRINE_ASSIGN_OR_RETURN(const auto offsets, read_numbers(where, value, 2));
    if (offsets.size() != 2) return bad_value(where, "two whole numbers");
    if (offsets[0] > offsets[1] || offsets[1] > data_bytes_) {
      return fail(ErrorCode::kMalformed, "{}: {} is {}, expected begin ≤ end ≤ {} (data bytes)",
                  file_, where, shape_text(offsets), data_bytes_);
    }
    entry.offset_bytes = offsets[0];
    entry.size_bytes = offsets[1] - offsets[0];
    return {};
  }

  [[nodiscard]] Result<std::vector<std::size_t>> read_numbers(const std::string& where,
                                                              ondemand::value& value,
                                                              std::size_t max_count) {
    const std::string expected = fmt::format("at most {} whole numbers", max_count);
    ondemand::array array;
    if (value.get_array().get(array)) return bad_value(where, expected);
    std::vector<std::size_t> numbers;
    for (auto element : array) {
      std::uint64_t number = 0;
      if (element.get_uint64().get(number) || numbers.size() == max_count) {
        return bad_value(where, expected);
      }
      numbers.push_back(number);
    }
    return numbers;
  }

  [[nodiscard]] Result<std::string> key_of(simdjson::simdjson_result<ondemand::field>& field) {
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return bad_json(error);
    return std::string(key);
  }

  [[nodiscard]] tl::unexpected<Error> bad_json(simdjson::error_code error) const {
    return fail(ErrorCode::kMalformed, "{}: the header is not valid JSON: {}", file_,
                simdjson::error_message(error));
  }

  [[nodiscard]] tl::unexpected<Error> bad_value(std::string_view where,
                                                std::string_view expected) const {
    return fail(ErrorCode::kMalformed, "{}: {} is not {}", file_, where, expected);
  }

  std::string file_;
  std::size_t data_bytes_;
  SafetensorsHeader header_{};
};

/// Tensors sorted by place must tile the data section.
Status check_tiling(std::span<const TensorEntry> tensors, std::size_t data_bytes,
                    std::string_view file) {
  std::size_t covered = 0;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.offset_bytes != covered) {
      return fail(ErrorCode::kMalformed,
                  "{}: tensor \"{}\" starts at data byte {}, expected {}: no {} allowed", file,
                  tensor.name, tensor.offset_bytes, covered,
                  tensor.offset_bytes < covered ? "overlap is" : "unnamed bytes are");
    }
    covered += tensor.size_bytes;
  }
  if (covered != data_bytes) {
    return fail(ErrorCode::kMalformed,
                "{}: the tensors take {} bytes, but {} data bytes follow the header", file,
                covered, data_bytes);
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                   std::size_t data_bytes,
                                                   std::string_view file) {
  HeaderReader reader(file, data_bytes);
  TRINE_RETURN_IF_ERROR(reader.read(text));
  SafetensorsHeader header = reader.take();
  // Empty tensors share their place with the next one and go before it; the name decides the
  // rest, so that the order is one order.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorEntry& left, const TensorEntry& right) {
              return std::tie(left.offset_bytes, left.size_bytes, left.name) <
                     std::tie(right.offset_bytes, right.size_bytes, right.name);
            });
  TRINE_RETURN_IF_ERROR(check_tiling(header.tensors, data_bytes, file));
  return header;
}

Result<std::size_t> tensor_size_bytes(DType dtype, std::span<const std::size_t> shape,
                                      std::string_view where) {
  if (shape.size() > kMaxTensorRank) {
    return fail(ErrorCode::kMalformed, "{} has {} dimensions, expected at most {}", where,
                shape.size(), kMaxTensorRank);
  }
  std::size_t bits = bits_of(dtype);
  bool overflow = false;
  for (const std::size_t extent : shape) {
    overflow = overflow || __builtin_mul_overflow(bits, extent, &bits);
  }
  if (overflow) {
    return fail(ErrorCode::kMalformed, "{} has shape {}, whose size overflows 64 bits", where,
                shape_text(shape));
  }
  if (bits % 8 != 0) {
    return fail(ErrorCode::kMalformed, "{}: {} {} takes {} bits, expected whole bytes", where,
                name_of(dtype), shape_text(shape), bits);
  }
  return bits / 8;
}

std::string shape_text(std::span<const std::size_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace trine::base
