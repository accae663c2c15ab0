#include "fs/mount.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "fs/passthrough.h"
#include "fs/requests.h"

namespace wfs {
namespace {

constexpr unsigned threads_max = 4;

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signals;
}

// A value inside a list of mount options.
std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == ',' || c == '\\') text += '\\';
    text += c;
  }
  return text;
}

struct LoopConfig {
  fuse_loop_config* config = fuse_loop_cfg_create();
  ~LoopConfig() { fuse_loop_cfg_destroy(config); }
};

}  // namespace

std::string libfuse_version() {
  return fuse_pkgversion();
}

void Mount::Destroy::operator()(fuse_session* session) const noexcept {
  fuse_session_destroy(session);
}

Mount::Mount(Session& session, const stdfs::path& mountpoint, const std::string& source,
             Audience audience) {
  std::string options =
      cat("fsname=", escaped(source), ",subtype=weightfs,default_permissions", ",nosuid,nodev");
  if (audience == Audience::everyone) options += ",allow_other";
  if (session.files.commits_only()) options += ",ro";
  std::string program = "weightfs";
  std::string flag = "-o";
  std::vector<char*> words = {program.data(), flag.data(), options.data(), nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(3, words.data());
  session_.reset(fuse_session_new(&arguments, &operations(session.files),
                                  sizeof(fuse_lowlevel_ops), &session));
  fuse_opt_free_args(&arguments);
  if (!session_) fail(Errc::invalid, cat("cannot mount with the options ", options));
  if (fuse_session_mount(session_.get(), mountpoint.c_str()) != 0) {
    fail(Errc::io, cat("cannot mount at ", mountpoint.native(),
                       audience == Audience::everyone
                           ? "; allow_other of a user needs user_allow_other in fuse.conf"
                           : "; the line above says why"));
  }
  mounted_ = true;
  receive_all_requests(session_.get());
}

Mount::~Mount() {
  if (mounted_) fuse_session_unmount(session_.get());
}

void Mount::serve() {
  if (fuse_set_signal_handlers(session_.get()) != 0) fail(Errc::io, "cannot set signal handlers");
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  const LoopConfig loop;
  fuse_loop_cfg_set_clone_fd(loop.config, 1);
  fuse_loop_cfg_set_max_threads(loop.config, threads_max);
  fuse_loop_cfg_set_idle_threads(loop.config, threads_max);
  const int result = fuse_session_loop_mt(session_.get(), loop.config);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  fuse_remove_signal_handlers(session_.get());
  if (result < 0) fail_errno(-result, "serving the mount");
}

BlockedSignals::BlockedSignals() {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

BlockedSignals::~BlockedSignals() {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace wfs
