#!/bin/sh
# Makes images that stand in for those of a registry, where none can be reached: the Dockerfile's base
# from debootstrap and a CPython of this machine; Caddy, PostgreSQL and SeaweedFS from packages. With
# them docker-compose.yml and deploy/scale.yml are tried for real, on podman. Run it as root, with
# podman, debootstrap and a Python of the base's version; it is not part of the tests. A stand-in has
# not the digest of the real image, so take the digests out of a copy of the checkout first:
#   sed -i 's/@sha256:[0-9a-f]*//' Dockerfile deploy/scale.yml
#   tests/deploy/local_images.sh PYTHON_PREFIX WEED_BINARY
# Where no container may be started either, the image of the product runs by
#   podman build --isolation chroot --pull=never --network host -t allucanget .
#   buildah run --isolation chroot --network host "$(buildah from --pull-never allucanget)" -- python -m cli.process api
set -eu
python=$1 weed=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
base=$(sed -n 's/^FROM \([^ ]*\) AS base$/\1/p' "$here/Dockerfile")
image_of() { sed -n "s#^ *image: \($1:.*\)#\1#p" "$here/deploy/scale.yml"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

root=$work/root
debootstrap --variant=minbase \
    --include=ca-certificates,netbase,tzdata,libssl3,libffi8,libsqlite3-0,zlib1g,libbz2-1.0,liblzma5,libexpat1,libreadline8,libuuid1,wget \
    bookworm "$root" http://deb.debian.org/debian >"$work/log" || { tail "$work/log" >&2; exit 1; }
cp -a "$python/bin" "$python/lib" "$python/include" "$root/usr/local/"
rm -rf "$root"/usr/local/lib/python3.*/test "$root"/usr/local/lib/python3.*/idlelib \
    "$root"/usr/local/lib/python3.*/config-* "$root"/var/cache/apt/* "$root"/usr/share/doc
find "$root"/usr/local/lib/python3.*/site-packages -mindepth 1 -maxdepth 1 ! -name 'pip*' -exec rm -rf {} +
ln -sf python3 "$root/usr/local/bin/python"
# what this machine trusts, so that a build inside reaches the same registries
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
chroot "$root" /sbin/ldconfig
tar -C "$root" -c . | podman import --change 'ENV LANG=C.UTF-8' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' - "docker.io/library/$base"

build() {
    podman build --format docker --isolation chroot --pull=never --network host -t "docker.io/$1" "$work/$2"
}
mkdir "$work/caddy" "$work/postgres" "$work/s3"
cat >"$work/caddy/Dockerfile" <<END
FROM $base
RUN apt-get update && apt-get install -y --no-install-recommends caddy
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
ENTRYPOINT ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
END
cat >"$work/postgres/Dockerfile" <<END
FROM $base
RUN apt-get update && apt-get install -y --no-install-recommends postgresql && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/
COPY start /start
ENTRYPOINT ["sh", "/start"]
END
cat >"$work/postgres/start" <<'END'
set -eu
export PGDATA=/var/lib/postgresql/data
mkdir -p "$PGDATA" && chown postgres "$PGDATA"
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
if [ ! -f "$PGDATA/PG_VERSION" ]; then
    cp "$POSTGRES_PASSWORD_FILE" /tmp/password && chown postgres /tmp/password
    as initdb -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password -c listen_addresses='*' 2>/dev/null ||
        as initdb -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_DB" | as postgres --single postgres
fi
mkdir -p /var/run/postgresql && chown postgres /var/run/postgresql
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -c listen_addresses='*'
END
cp "$weed" "$work/s3/weed"
cat >"$work/s3/Dockerfile" <<END
FROM $base
COPY weed /usr/local/bin/weed
ENTRYPOINT ["weed"]
END
build "library/$(image_of caddy)" caddy
build "library/$(image_of postgres)" postgres
build "$(image_of chrislusf/seaweedfs)" s3
