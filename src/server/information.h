// Endpoints that say something about the server, its model and its tokenizer.
#pragma once

#include <memory>

#include "server/http_exchange.h"
#include "server/server_state.h"

namespace trine::server {

using InformationHandler = void(ServerState& server,
                                const std::shared_ptr<HttpExchange>& exchange,
                                const HttpRequest& request);

InformationHandler handle_health;
InformationHandler handle_props;
InformationHandler handle_slots;
InformationHandler handle_tokenizer_info;
InformationHandler handle_models;
InformationHandler handle_model;
InformationHandler handle_tokenize;
InformationHandler handle_detokenize;
InformationHandler handle_apply_template;

}  // namespace trine::server
