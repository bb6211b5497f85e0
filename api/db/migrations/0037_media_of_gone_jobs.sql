-- A process that died while a job was deleted left the rows of its files, which nobody sees. Their files go with the next sweep.
DELETE FROM media
WHERE generation_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM generations WHERE generations.id = media.generation_id);
