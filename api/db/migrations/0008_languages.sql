-- `auto`: the language was never chosen, so chats speak the one that the platform has of the person. Until now all accounts got English.
-- `heard_language`: what the platform said last, for results and notices that are sent when nobody asks.
ALTER TABLE users ADD COLUMN heard_language TEXT;
UPDATE users SET language = 'auto' WHERE language = 'en';
