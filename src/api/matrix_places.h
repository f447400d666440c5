// Where in a model each of its matrices lies.
#pragma once

#include <map>
#include <string>

#include <trine/inspect.h>
#include "core/model_spec.h"

namespace trine::api {

/// By name; matrices outside of layers (embedding, head, position bias) have no place.
[[nodiscard]] std::map<std::string, MatrixPlace> matrix_places(const ModelSpec& spec);

}  // namespace trine::api
