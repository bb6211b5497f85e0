CREATE INDEX holds_of_places ON holds (place_id) WHERE place_id IS NOT NULL;
