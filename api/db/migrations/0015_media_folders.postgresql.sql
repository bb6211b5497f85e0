-- The sweep reads one of the 256 folders of the media store at a time.
CREATE INDEX media_folder ON media (left(key, 2));
