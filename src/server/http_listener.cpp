// The only file that knows Boost: Beast for HTTP, Asio for sockets, C++20 coroutines.
//
// Everything but the handlers runs on one thread, so connections need no locks. An answer is
// written by the connection's own coroutine; handlers leave pieces in the exchange's outbox and
// wake it. While it waits, a second coroutine looks whether the client is still there.
#include "server/http_listener.h"

#include <coroutine>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>

#include "server/api_error.h"

namespace trine::server {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = net::ip::tcp;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kWorkers = 4;
constexpr std::size_t kWaitingBytes = std::size_t{64} << 10;  ///< read ahead while answering
constexpr double kLingerSeconds = 3.0;
constexpr std::size_t kLingerBytes = std::size_t{64} << 20;

std::chrono::nanoseconds duration_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Seconds(seconds));
}

std::string text_of(beast::string_view view) { return {view.data(), view.size()}; }

/// What the coroutine of a connection takes from the outbox at once.
struct Outgoing {
  std::optional<HttpResponse> head{};
  bool is_stream = false;
  std::string pieces{};
  bool is_complete = false;
  bool is_overfull = false;
};

class ListenerExchange final : public HttpExchange,
                               public std::enable_shared_from_this<ListenerExchange> {
 public:
  ListenerExchange(const net::any_io_executor& executor, std::size_t most_unsent)
      : executor_(executor), wake_(executor), most_unsent_(most_unsent) {
    wake_.expires_at(net::steady_timer::time_point::max());
  }

  void respond(HttpResponse response) override {
    add([&] {
      outgoing_.head = std::move(response);
      outgoing_.is_complete = true;
    });
  }
  void begin_stream(HttpResponse response) override {
    add([&] {
      outgoing_.pieces += std::exchange(response.body, {});
      outgoing_.head = std::move(response);
      outgoing_.is_stream = true;
    });
  }
  void send(std::string piece) override {
    std::function<void()> closed;
    add([&] {
      if (outgoing_.is_overfull) return;  // who does not read gets no more
      // What waited before this piece tells how the client reads; one piece may be large.
      outgoing_.is_overfull = is_writing_ && outgoing_.pieces.size() > most_unsent_;
      if (outgoing_.is_overfull) {
        closed = std::exchange(closed_, {});
      } else {
        outgoing_.pieces += piece;
      }
    });
    // Not from here: the sender may hold what the handler's function waits for.
    if (closed) net::post(executor_, std::move(closed));
  }
  void end() override {
    add([&] { outgoing_.is_complete = true; });
  }

  void on_close(std::function<void()> closed) override {
    {
      const std::lock_guard lock(mutex_);
      if (!is_closed_) {
        closed_ = std::move(closed);
        return;
      }
      if (was_complete_) return;
    }
    closed();
  }

  /// The connection is done with it; tells the handler unless the answer was complete.
  void close(bool is_complete) {
    std::function<void()> closed;
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(is_closed_, true)) return;
      was_complete_ = is_complete;
      closed = std::exchange(closed_, {});
      outgoing_ = {};
    }
    if (closed && !is_complete) closed();
  }

  /// The client's end is closed: the connection's coroutine shall see it.
  void hang_up() {
    is_hung_up_ = true;
    wake_.cancel();
  }
  [[nodiscard]] bool is_hung_up() const noexcept { return is_hung_up_; }

  /// What there is to write; waits until there is something or the client is gone.
  net::awaitable<Outgoing> next() {
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        was_woken_ = false;
        is_writing_ = false;
        const bool has_news =
            outgoing_.head || !outgoing_.pieces.empty() || outgoing_.is_complete;
        if (has_news || is_hung_up_) {
          Outgoing taken = std::exchange(outgoing_, {});
          is_writing_ = !taken.pieces.empty();
          co_return taken;
        }
      }
      boost::system::error_code ignored;
      co_await wake_.async_wait(net::redirect_error(net::use_awaitable, ignored));
      wake_.expires_at(net::steady_timer::time_point::max());
    }
  }

 private:
  template <class Change>
  void add(const Change& change) {
    {
      const std::lock_guard lock(mutex_);
      if (is_closed_) return;
      change();
      if (std::exchange(was_woken_, true)) return;
    }
    net::post(executor_, [self = shared_from_this()] { self->wake_.cancel(); });
  }

  net::any_io_executor executor_;
  net::steady_timer wake_;  // never expires; cancelling it wakes next()
  std::size_t most_unsent_;
  bool is_hung_up_ = false;  // of the connections' thread
  std::mutex mutex_{};
  Outgoing outgoing_{};
  bool was_woken_ = false;
  bool is_writing_ = false;  // pieces were taken, and the client has not read them yet
  bool is_closed_ = false;
  bool was_complete_ = false;
  std::function<void()> closed_{};
};

class Listener;

/// One connection. Lives as long as its coroutines.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Listener& listener)
      : stream_(std::move(socket)), listener_(&listener) {
    boost::system::error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    const auto end = stream_.socket().remote_endpoint(ignored);
    if (!ignored) client_ = end.address().to_string(ignored);
  }

  net::awaitable<void> run();
  net::awaitable<void> refuse();
  /// Draining: a connection that waits for its next request need not be kept.
  void leave_if_idle() {
    if (is_idle_) cut();
  }
  /// Whatever it is doing.
  void hang_up_and_cut() {
    if (const auto exchange = current_.lock()) exchange->hang_up();
    cut();
  }
  void cut() {
    boost::system::error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  net::awaitable<bool> read(Parser& parser);
  net::awaitable<bool> answer(Parser& parser);
  net::awaitable<bool> write_answer(const std::shared_ptr<ListenerExchange>& exchange,
                                    bool keep_alive);
  net::awaitable<bool> write_whole(const HttpResponse& response, bool keep_alive);
  net::awaitable<bool> write_head(const HttpResponse& response, bool keep_alive);
  net::awaitable<bool> write_pieces(std::string pieces, bool is_last);
  net::awaitable<void> watch(std::shared_ptr<ListenerExchange> exchange, std::uint64_t request);
  net::awaitable<void> linger();
  [[nodiscard]] HttpResponse error_for(boost::system::error_code error) const;
  [[nodiscard]] HttpRequest request_of(Parser& parser) const;

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{};
  Listener* listener_;
  std::string client_{};
  bool is_idle_ = false;
  std::weak_ptr<ListenerExchange> current_{};  ///< being answered
  std::uint64_t requests_ = 0;
};

class Listener final : public HttpListener {
 public:
  explicit Listener(const HttpLimits& limits) : limits_(limits), workers_(kWorkers) {}

  Status bind(const std::string& host, std::uint16_t port);
  [[nodiscard]] std::uint16_t port() const noexcept override { return port_; }
  [[nodiscard]] std::size_t connections() const noexcept override { return num_sessions_; }

  void run(HttpHandler handler) override;
  void stop() override {
    net::post(context_, [this] { drain(); });
  }

  [[nodiscard]] const HttpLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] bool is_draining() const noexcept { return is_draining_; }
  void handle(const std::shared_ptr<HttpExchange>& exchange, HttpRequest request);

 private:
  net::awaitable<void> accept();
  net::awaitable<void> serve(std::shared_ptr<Session> session, bool has_room);
  void wait_for_signal();
  void drain();
  void cut_all();
  void finish_if_empty();

  HttpLimits limits_;
  net::io_context context_{1};
  net::thread_pool workers_;
  tcp::acceptor acceptor_{context_};
  net::signal_set signals_{context_};
  net::steady_timer deadline_{context_};
  HttpHandler handler_{};
  std::set<std::shared_ptr<Session>> sessions_{};
  std::atomic<std::size_t> num_sessions_ = 0;
  std::uint16_t port_ = 0;
  bool is_draining_ = false;
};

net::awaitable<void> Session::run() {
  for (;;) {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(listener_->limits().header_bytes));
    parser.body_limit(listener_->limits().body_bytes);
    const bool was_read = co_await read(parser);
    if (!was_read) co_return;
    const bool keep = co_await answer(parser);
    if (!keep || listener_->is_draining()) break;
  }
  co_await linger();
}

/// One request; false when the connection is over.
net::awaitable<bool> Session::read(Parser& parser) {
  boost::system::error_code error;
  is_idle_ = buffer_.size() == 0;
  stream_.expires_after(duration_of(listener_->limits().header_seconds));
  co_await http::async_read_header(stream_, buffer_, parser,
                                   net::redirect_error(net::use_awaitable, error));
  is_idle_ = false;
  if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await net::async_write(stream_, net::buffer(kContinue),
                              net::redirect_error(net::use_awaitable, error));
  }
  if (!error) {
    stream_.expires_after(duration_of(listener_->limits().body_seconds));
    co_await http::async_read(stream_, buffer_, parser,
                              net::redirect_error(net::use_awaitable, error));
  }
  if (!error) co_return true;
  const bool is_gone = error == http::error::end_of_stream ||
                       error == net::error::operation_aborted ||
                       error == net::error::connection_reset || error == net::error::eof;
  const bool was_silent = error == beast::error::timeout && !parser.got_some();
  if (is_gone || was_silent) co_return false;
  const HttpResponse refusal = error_for(error);
  // A timeout has closed the socket already.
  if (error != beast::error::timeout) {
    const bool was_written = co_await write_whole(refusal, false);
    if (was_written) co_await linger();
  }
  co_return false;
}

HttpResponse Session::error_for(boost::system::error_code error) const {
  const HttpLimits& limits = listener_->limits();
  if (error == http::error::body_limit) {
    return error_response({413, "the body is larger than the limit of " +
                                    std::to_string(limits.body_bytes) + " bytes"});
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return error_response({431, "the header is larger than the limit of " +
                                    std::to_string(limits.header_bytes) + " bytes"});
  }
  if (error == http::error::partial_message) {
    return error_response({400, "the connection was closed in the middle of a request"});
  }
  return error_response({400, "this is not an HTTP request: " + error.message()});
}

HttpRequest Session::request_of(Parser& parser) const {
  auto message = parser.release();
  HttpRequest request;
  request.method = text_of(message.method_string());
  request.path = text_of(message.target());
  request.path.resize(std::min(request.path.size(), request.path.find('?')));
  request.authorization = text_of(message[http::field::authorization]);
  request.api_key = text_of(message["x-api-key"]);
  request.origin = text_of(message[http::field::origin]);
  request.host = text_of(message[http::field::host]);
  request.client = client_;
  request.body = std::move(message.body());
  return request;
}

/// @return whether the connection may carry another request.
net::awaitable<bool> Session::answer(Parser& parser) {
  const bool keep_alive = parser.get().keep_alive();
  auto exchange = std::make_shared<ListenerExchange>(stream_.get_executor(),
                                                     listener_->limits().unsent_bytes);
  current_ = exchange;
  const std::uint64_t number = ++requests_;
  listener_->handle(exchange, request_of(parser));
  stream_.expires_never();
  net::co_spawn(stream_.get_executor(), watch(exchange, number), net::detached);
  const bool is_complete = co_await write_answer(exchange, keep_alive);
  ++requests_;  // the watcher's request is over
  boost::system::error_code ignored;
  stream_.socket().cancel(ignored);
  exchange->close(is_complete);
  co_return is_complete&& keep_alive;
}

/// Looks whether the client goes while its answer is made.
net::awaitable<void> Session::watch(std::shared_ptr<ListenerExchange> exchange,
                                    std::uint64_t request) {
  const auto self = shared_from_this();
  boost::system::error_code error;
  stream_.socket().non_blocking(true, error);
  while (buffer_.size() < kWaitingBytes) {
    co_await stream_.socket().async_wait(tcp::socket::wait_read,
                                         net::redirect_error(net::use_awaitable, error));
    if (error || request != requests_) co_return;
    // Bytes are the next request, which has to wait; behind them may be the end.
    const std::size_t count = stream_.socket().receive(buffer_.prepare(4096), 0, error);
    buffer_.commit(count);
    const bool is_alive = count > 0 || error == net::error::would_block;
    if (!is_alive) co_return exchange->hang_up();
  }
}

/// @return whether all of the answer was written.
net::awaitable<bool> Session::write_answer(const std::shared_ptr<ListenerExchange>& exchange,
                                           bool keep_alive) {
  bool is_streaming = false;
  for (;;) {
    Outgoing out = co_await exchange->next();
    const bool has_news = out.head || !out.pieces.empty() || out.is_complete;
    if (!has_news && exchange->is_hung_up()) {
      // Who closed only one half still hears why.
      if (!is_streaming) {
        const HttpResponse refusal =
            error_response({400, "the connection was closed before the answer was ready"});
        co_await write_whole(refusal, false);
      }
      co_return false;
    }
    if (out.is_overfull) co_return false;
    const bool keep = keep_alive && !listener_->is_draining();
    if (out.head && !out.is_stream) {
      const bool was_written = co_await write_whole(*out.head, keep);
      co_return was_written&& keep;
    }
    if (out.head) {
      is_streaming = true;
      const bool was_written = co_await write_head(*out.head, keep_alive);
      if (!was_written) co_return false;
    }
    const bool was_written = co_await write_pieces(std::move(out.pieces), out.is_complete);
    if (!was_written) co_return false;
    if (out.is_complete) co_return true;
  }
}

net::awaitable<bool> Session::write_whole(const HttpResponse& response, bool keep_alive) {
  http::response<http::string_body> message{http::int_to_status(response.status), 11};
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.body() = response.body;
  message.keep_alive(keep_alive);
  message.prepare_payload();
  if (response.status == 204) message.erase(http::field::content_length);
  boost::system::error_code error;
  stream_.expires_after(duration_of(listener_->limits().write_seconds));
  co_await http::async_write(stream_, message, net::redirect_error(net::use_awaitable, error));
  co_return !error;
}

net::awaitable<bool> Session::write_head(const HttpResponse& response, bool keep_alive) {
  http::response<http::empty_body> message{http::int_to_status(response.status), 11};
  message.set(http::field::content_type, response.content_type);
  message.set(http::field::cache_control, "no-cache");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  message.chunked(true);
  http::response_serializer<http::empty_body> serializer{message};
  boost::system::error_code error;
  stream_.expires_after(duration_of(listener_->limits().write_seconds));
  co_await http::async_write_header(stream_, serializer,
                                    net::redirect_error(net::use_awaitable, error));
  co_return !error;
}

net::awaitable<bool> Session::write_pieces(std::string pieces, bool is_last) {
  boost::system::error_code error;
  stream_.expires_after(duration_of(listener_->limits().write_seconds));
  if (!pieces.empty()) {
    const auto chunk = http::make_chunk(net::buffer(pieces));
    co_await net::async_write(stream_, chunk, net::redirect_error(net::use_awaitable, error));
  }
  if (!error && is_last) {
    const auto last = http::make_chunk_last();
    co_await net::async_write(stream_, last, net::redirect_error(net::use_awaitable, error));
  }
  stream_.expires_never();
  co_return !error;
}

/// Closing with unread bytes would reset the connection and the other end might never see the
/// answer: the rest is read for a while and thrown away.
net::awaitable<void> Session::linger() {
  boost::system::error_code error;
  stream_.socket().shutdown(tcp::socket::shutdown_send, error);
  stream_.expires_after(duration_of(kLingerSeconds));
  std::string scratch(std::size_t{64} << 10, '\0');
  std::size_t total = 0;
  while (!error && total < kLingerBytes) {
    total += co_await stream_.async_read_some(net::buffer(scratch),
                                              net::redirect_error(net::use_awaitable, error));
  }
}

net::awaitable<void> Session::refuse() {
  HttpResponse response =
      error_response({503, "too many connections are open; try again later"});
  response.headers.emplace_back("Retry-After", "1");
  co_await write_whole(response, false);
}

Status Listener::bind(const std::string& host, std::uint16_t port) {
  boost::system::error_code error;
  const auto fail_with = [&](const char* what) {
    return tl::unexpected<Error>(
        Error{ErrorCode::kIo,
              host + ":" + std::to_string(port) + ": " + what + ": " + error.message()});
  };
  tcp::resolver resolver(context_);
  const auto found =
      resolver.resolve(host, std::to_string(port),
                       tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return fail_with("cannot find this address");
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (error) return fail_with("cannot open a socket");
  acceptor_.set_option(net::socket_base::reuse_address(true), error);
  acceptor_.bind(endpoint, error);
  if (error) return fail_with("cannot bind");
  acceptor_.listen(net::socket_base::max_listen_connections, error);
  if (error) return fail_with("cannot listen");
  port_ = acceptor_.local_endpoint(error).port();
  return {};
}

void Listener::run(HttpHandler handler) {
  handler_ = std::move(handler);
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  wait_for_signal();
  net::co_spawn(context_, accept(), net::detached);
  context_.run();
  workers_.join();
}

void Listener::handle(const std::shared_ptr<HttpExchange>& exchange, HttpRequest request) {
  const bool is_quick = request.method == "GET" || request.method == "OPTIONS";
  const auto call = [this, exchange](HttpRequest given) {
    try {
      handler_(exchange, std::move(given));
    } catch (const std::exception& error) {
      exchange->respond(error_response(
          {500, std::string("this is a bug in Trine, please report it: ") + error.what()}));
    }
  };
  if (is_quick) return call(std::move(request));
  net::post(workers_, [call, moved = std::move(request)]() mutable { call(std::move(moved)); });
}

net::awaitable<void> Listener::accept() {
  while (!is_draining_) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(net::redirect_error(net::use_awaitable, error));
    if (is_draining_) co_return;
    if (error) {
      // Out of file descriptors, most likely: some will be free in a moment.
      net::steady_timer pause(context_, std::chrono::milliseconds(50));
      co_await pause.async_wait(net::redirect_error(net::use_awaitable, error));
      continue;
    }
    const bool has_room = sessions_.size() < limits_.connections;
    auto session = std::make_shared<Session>(std::move(socket), *this);
    if (has_room) sessions_.insert(session);
    num_sessions_ = sessions_.size();
    net::co_spawn(context_, serve(std::move(session), has_room), net::detached);
  }
}

net::awaitable<void> Listener::serve(std::shared_ptr<Session> session, bool has_room) {
  try {
    if (has_room) {
      co_await session->run();
    } else {
      co_await session->refuse();
    }
  } catch (const std::exception&) {
    // Memory for one connection ran out; the others go on.
  }
  sessions_.erase(session);
  num_sessions_ = sessions_.size();
  finish_if_empty();
}

void Listener::wait_for_signal() {
  signals_.async_wait([this](boost::system::error_code error, int) {
    if (error) return;
    if (is_draining_) return cut_all();
    // Before drain(), which ends the waiting for signals where nobody is connected.
    wait_for_signal();
    drain();
  });
}

void Listener::drain() {
  if (std::exchange(is_draining_, true)) return;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  for (const auto& session : sessions_) session->leave_if_idle();
  deadline_.expires_after(duration_of(limits_.drain_seconds));
  deadline_.async_wait([this](boost::system::error_code error) {
    if (!error) cut_all();
  });
  finish_if_empty();
}

void Listener::cut_all() {
  const auto all = sessions_;
  for (const auto& session : all) session->hang_up_and_cut();
}

void Listener::finish_if_empty() {
  if (!is_draining_ || !sessions_.empty()) return;
  boost::system::error_code ignored;
  signals_.cancel(ignored);
  deadline_.cancel();
}

}  // namespace

Result<std::unique_ptr<HttpListener>> HttpListener::open(const std::string& host,
                                                         std::uint16_t port,
                                                         const HttpLimits& limits) {
  auto listener = std::make_unique<Listener>(limits);
  if (const Status bound = listener->bind(host, port); !bound) {
    return tl::unexpected<Error>(bound.error());
  }
  return std::unique_ptr<HttpListener>(std::move(listener));
}

}  // namespace trine::server
