-- From an index of version 1: blocks may have bases.
ALTER TABLE blocks ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blocks ADD COLUMN base BLOB NOT NULL DEFAULT x'';
