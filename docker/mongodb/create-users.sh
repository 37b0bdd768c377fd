# Sourced by the image's entrypoint, once, on an empty data volume, while the server listens on loopback only and asks nobody
# for a password. Passwords are random unless given as compose secrets, so there is no default one to forget to change.
password() {
  if [ -e "/run/secrets/$1" ]; then cat "/run/secrets/$1"; else od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; fi
}

# By the environment, since arguments show in the process list. The entrypoint unsets MONGO_INITDB_* before it starts the server.
MONGO_INITDB_ROOT="$(password mongodb_root_password)"
MONGO_INITDB_EVENTS="$(password mongodb_password)"
export MONGO_INITDB_ROOT MONGO_INITDB_EVENTS
mongosh --quiet admin --eval "
  db.createUser({ user: 'root', pwd: process.env.MONGO_INITDB_ROOT, roles: ['root'] });
  db.getSiblingDB('events').createUser({ user: 'events', pwd: process.env.MONGO_INITDB_EVENTS, roles: ['readWrite'] })"

# The administrator's stays beside the data that it opens; the application's goes to the volume shared with the services.
printf %s "$MONGO_INITDB_ROOT" | install -m 400 /dev/stdin /data/db/.root-password
printf %s "$MONGO_INITDB_EVENTS" | install -m 444 /dev/stdin /data/configdb/password
