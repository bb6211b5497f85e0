#!/bin/sh
# Makes the folder secrets/ that docker-compose.yml reads, a file for each secret. Keys of its own are
# made, those of others are taken from .env or left empty: write them in. What is in a file stays.
#   sh deploy/secrets.sh          for docker-compose.yml
#   sh deploy/secrets.sh scale    and for deploy/scale.yml
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
umask 077
mkdir -p secrets

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# The value of $1 in .env, without quotes.
in_env() {
    if [ -f .env ]; then
        sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" .env |
            tail -n 1 | sed "s/[[:space:]]*\$//; s/^\"\(.*\)\"\$/\1/; s/^'\(.*\)'\$/\1/" | tr -d '\n'
    fi
}

# put NAME VALUE: only root and you can enter the folder, so that the containers' user may read the file
put() {
    if [ -s "secrets/$1" ]; then return 0; fi
    printf '%s' "$2" >"secrets/$1.new"
    chmod 0644 "secrets/$1.new"
    mv "secrets/$1.new" "secrets/$1"
}

for name in WEB_SESSION_KEY TELEGRAM_BOT_KEY DISCORD_BOT_KEY; do
    value=$(in_env "$name")
    put "$(echo "$name" | tr '[:upper:]' '[:lower:]')" "${value:-$(random)}"
done

if [ "${1-}" = scale ]; then
    put postgres_password "$(random)"
    put database_url "postgresql://allucanget:$(cat secrets/postgres_password)@postgres/allucanget"
    put aws_access_key_id allucanget
    put aws_secret_access_key "$(random)"
    put s3.json "{\"identities\": [{\"name\": \"studio\", \"credentials\": [{\"accessKey\": \"$(cat secrets/aws_access_key_id)\", \"secretKey\": \"$(cat secrets/aws_secret_access_key)\"}], \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\", \"Tagging\"]}]}"
fi

for name in OPENROUTER_API_KEY OPENROUTER_WEBHOOK_SECRET TELEGRAM_BOT_TOKEN DISCORD_BOT_TOKEN \
    SMTP_PASSWORD SECRET_KEY SECRET_KEY_PREVIOUS WEB_SESSION_KEY_PREVIOUS DATABASE_URL \
    DATABASE_LISTEN_URL METRICS_TOKEN OTEL_EXPORTER_OTLP_HEADERS SENTRY_DSN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    put "$(echo "$name" | tr '[:upper:]' '[:lower:]')" "$(in_env "$name")"
done
echo "The secrets are in $(pwd)/secrets. To set one: printf %s VALUE > secrets/NAME"
