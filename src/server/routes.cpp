#include "server/routes.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "server/completions.h"
#include "server/information.h"
#include "server/metrics.h"
#include "server/page.h"

namespace trine::server {
namespace {

using Handler = void(ServerState&, const std::shared_ptr<HttpExchange>&, const HttpRequest&);

struct Route {
  std::string_view method;
  std::string_view path;
  Handler* handler;
  bool is_open = false;       ///< needs no key
  bool needs_model = true;    ///< 503 while the model is read
  bool takes_longer = false;  ///< also matches paths below it
};

void handle_page(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request) {
  respond_with(server, exchange, request, page_response());
}

/// The one list of endpoints.
constexpr std::array kRoutes = {
    Route{"GET", "/", handle_page, true, false},
    Route{"GET", "/health", handle_health, true, false},
    Route{"GET", "/v1/health", handle_health, true, false},
    Route{"GET", "/metrics", handle_metrics},
    Route{"GET", "/props", handle_props},
    Route{"GET", "/slots", handle_slots},
    Route{"GET", "/tokenizer_info", handle_tokenizer_info},
    Route{"GET", "/v1/models", handle_models},
    Route{"GET", "/models", handle_models},
    Route{"GET", "/v1/models/", handle_model, false, true, true},
    Route{"POST", "/v1/completions", handle_completion},
    Route{"POST", "/v1/chat/completions", handle_chat},
    Route{"POST", "/chat/completions", handle_chat},
    Route{"POST", "/tokenize", handle_tokenize},
    Route{"POST", "/detokenize", handle_detokenize},
    Route{"POST", "/apply-template", handle_apply_template},
};

bool matches(const Route& route, std::string_view path) {
  return route.takes_longer ? path.starts_with(route.path) && path.size() > route.path.size()
                            : path == route.path;
}

/// Takes the same time wherever the first difference is.
bool is_same_secret(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char other = wanted.empty() ? '\0' : wanted[i % wanted.size()];
    difference |= static_cast<unsigned char>(given[i] ^ other);
  }
  return difference == 0;
}

bool has_key(const ServerState& server, const HttpRequest& request) {
  if (server.options.api_keys.empty()) return true;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = request.api_key;
  if (given.empty() && request.authorization.starts_with(kBearer)) {
    given = std::string_view(request.authorization).substr(kBearer.size());
  }
  bool is_good = false;
  for (const std::string& key : server.options.api_keys) {
    is_good = is_same_secret(given, key) || is_good;
  }
  return is_good;
}

/// Without the port, and in small letters.
std::string name_of_host(std::string_view host) {
  std::string name(host.substr(0, host.starts_with('[') ? host.find(']') : host.find(':')));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  if (name.ends_with('.')) name.pop_back();
  return name;
}

/// A page of another site may not use the server through its visitor's browser, unless it was
/// named. Programs send no origin; our own page has the server's address.
bool may_come_from(const ServerState& server, const HttpRequest& request) {
  if (request.origin.empty()) return true;
  if (request.origin == "http://" + request.host ||
      request.origin == "https://" + request.host) {
    return true;
  }
  const auto& allowed = server.options.allowed_origins;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& origin) {
    return origin == "*" || origin == request.origin;
  });
}

void answer_preflight(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                      const HttpRequest& request) {
  HttpResponse response{.status = 204};
  response.headers = {
      {"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
      {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key"},
      {"Access-Control-Max-Age", "600"}};
  respond_with(server, exchange, request, std::move(response));
}

}  // namespace

bool is_own_host(const ServeOptions& options, std::string_view host) {
  const std::string name = name_of_host(host);
  const bool is_address =
      name.starts_with('[') || name.find_first_not_of("0123456789.") == std::string::npos;
  const bool is_local = name.find('.') == std::string::npos;
  if (is_address || is_local || name == name_of_host(options.host)) return true;
  const auto& allowed = options.allowed_origins;
  return std::any_of(allowed.begin(), allowed.end(), [&](std::string_view origin) {
    const std::size_t scheme = origin.find("://");
    if (scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
    return origin == "*" || name_of_host(origin) == name;
  });
}

std::vector<std::pair<std::string, std::string>> origin_headers(const ServerState& server,
                                                                const HttpRequest& request) {
  if (request.origin.empty() || !may_come_from(server, request)) return {};
  return {{"Access-Control-Allow-Origin", request.origin}, {"Vary", "Origin"}};
}

void respond_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                  const HttpRequest& request, HttpResponse response) {
  for (auto& header : origin_headers(server, request)) response.headers.push_back(header);
  exchange->respond(std::move(response));
}

void refuse_with(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
                 const HttpRequest& request, const ApiError& error) {
  ++server.http_errors;
  HttpResponse response = error_response(error);
  if (error.status == 429 || error.status == 503)
    response.headers.emplace_back("Retry-After", "1");
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  respond_with(server, exchange, request, std::move(response));
}

void dispatch(ServerState& server, const std::shared_ptr<HttpExchange>& exchange,
              HttpRequest request) {
  ++server.http_requests;
  const auto refuse_request = [&](unsigned status, const std::string& sentence) {
    refuse_with(server, exchange, request, {.status = status, .message = sentence});
  };
  if (server.options.api_keys.empty() && !is_own_host(server.options, request.host)) {
    return refuse_request(403, "the host " + request.host +
                                   " is not one of this server's names; start it with "
                                   "--allow-origin or with API keys");
  }
  if (!may_come_from(server, request)) {
    return refuse_request(403, "pages of " + request.origin +
                                   " may not use this server; start it with --allow-origin");
  }
  if (request.method == "OPTIONS") return answer_preflight(server, exchange, request);
  const Route* found = nullptr;
  bool is_other_method = false;
  for (const Route& route : kRoutes) {
    if (!matches(route, request.path)) continue;
    if (route.method == request.method) found = &route;
    is_other_method = is_other_method || route.method != request.method;
  }
  if (found == nullptr && is_other_method) {
    return refuse_request(405,
                          request.method + " " + request.path + ": this method is not for it");
  }
  if (found == nullptr) {
    return refuse_request(404,
                          request.method + " " + request.path + ": there is no such endpoint");
  }
  if (!found->is_open && !has_key(server, request)) {
    return refuse_request(401,
                          "the API key is missing or wrong; send it as Authorization: Bearer");
  }
  if (found->needs_model && server.service.load() == nullptr) {
    return refuse_request(503, "Loading model");
  }
  found->handler(server, exchange, request);
}

}  // namespace trine::server
