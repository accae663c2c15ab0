-- The index of a repository. Everything but refs, ref_log, settings and the working folders (nodes,
-- entries, staged) can be made anew from the packs. Version: PRAGMA user_version.

CREATE TABLE settings (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
  number INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  size INTEGER NOT NULL
) STRICT;

CREATE TABLE blocks (
  number INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  pack INTEGER NOT NULL REFERENCES packs (number),
  offset INTEGER NOT NULL,          -- of the payload in the pack
  payload_length INTEGER NOT NULL,
  plain_length INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  depth INTEGER NOT NULL DEFAULT 0, -- deltas from here to a block without a base
  base BLOB NOT NULL DEFAULT x''    -- of a delta: how it is read, and the numbers of its base blocks
) STRICT;

-- map is empty while the bytes are only staged; staged is 0 once they are packed.
CREATE TABLE contents (
  number INTEGER NOT NULL PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  staged INTEGER NOT NULL,
  map BLOB NOT NULL,                -- segments and block numbers
  stored_bytes INTEGER NOT NULL,    -- payload bytes of the blocks this content was the first to need
  health TEXT NOT NULL,             -- JSON: per tensor, once packed
  sketched INTEGER NOT NULL DEFAULT 0 -- 1: its tensors that can be sketched are
) STRICT;
CREATE INDEX contents_staged ON contents (staged) WHERE staged <> 0;
CREATE INDEX contents_unsketched ON contents (number) WHERE sketched = 0 AND staged = 0;

-- By what tensors with values alike are found. Made anew from the contents when it is not there.
CREATE TABLE sketches (
  content INTEGER NOT NULL PRIMARY KEY REFERENCES contents (number) ON DELETE CASCADE,
  sketches BLOB NOT NULL            -- segment, kind, bands and samples of each
) STRICT;
-- A row may outlive its content; then it finds nothing.
CREATE TABLE bands (
  key INTEGER NOT NULL,
  content INTEGER NOT NULL,
  PRIMARY KEY (key, content)
) STRICT, WITHOUT ROWID;

CREATE TABLE trees (
  id BLOB NOT NULL PRIMARY KEY,
  record BLOB NOT NULL,
  packed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX trees_unpacked ON trees (packed) WHERE packed = 0;

CREATE TABLE commits (
  number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  time_ns INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  record BLOB NOT NULL,
  packed INTEGER NOT NULL
) STRICT;
CREATE INDEX commits_time ON commits (time_ns);
CREATE INDEX commits_complete ON commits (number) WHERE complete = 1;
CREATE INDEX commits_unpacked ON commits (packed) WHERE packed = 0;

-- tip is empty for a branch without a commit.
CREATE TABLE refs (
  name TEXT NOT NULL PRIMARY KEY,
  kind INTEGER NOT NULL,
  tip BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ref_log (
  number INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  tip BLOB NOT NULL,                -- after the change; empty: deleted, or without a commit
  time_ns INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX ref_log_name ON ref_log (name, number);

-- Files of working folders, and contents not packed yet, as written ranges over a base.
CREATE TABLE staged (
  id INTEGER NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  base_content BLOB NOT NULL,       -- empty: none
  base_staged INTEGER NOT NULL,     -- 0: none
  base_length INTEGER NOT NULL,     -- bytes of the base that still show
  ranges BLOB NOT NULL              -- written ranges below base_length: offset, length as 64-bit pairs
) STRICT;

CREATE TABLE nodes (
  id INTEGER NOT NULL PRIMARY KEY,
  branch TEXT NOT NULL,
  kind INTEGER NOT NULL,
  mode INTEGER NOT NULL,            -- permission bits; of FIFOs and sockets with their type
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  target TEXT NOT NULL,             -- symlinks
  xattrs BLOB NOT NULL,
  size INTEGER NOT NULL,            -- of the current bytes
  content BLOB NOT NULL,            -- current bytes when they are a committed content
  staged INTEGER NOT NULL,          -- current bytes when they are staged
  complete_content BLOB NOT NULL,   -- bytes at the last completion; both empty: never complete
  complete_staged INTEGER NOT NULL,
  complete_size INTEGER NOT NULL,
  tree BLOB NOT NULL                -- folders: the tree of the tip this folder equals; empty: it differs
) STRICT;
CREATE INDEX nodes_branch ON nodes (branch);

CREATE TABLE entries (
  parent INTEGER NOT NULL,
  name TEXT NOT NULL,
  node INTEGER NOT NULL,
  PRIMARY KEY (parent, name)
) STRICT, WITHOUT ROWID;
