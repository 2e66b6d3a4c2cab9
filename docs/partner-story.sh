value() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
json() { curl -sS -H 'Content-Type: application/json' "$@"; }

# 1. The operator makes partner T112, enters it by exchange, and gives it a client.
TOKEN=$(json -u $OPERATOR $BASE/v1/accounts/T00000000/auth/token \
  -d '{"grant_type":"client_credentials","audience":"'$BASE'/v1/accounts/T00000000"}' | value access_token)
json -H "Authorization: Bearer $TOKEN" $BASE/v1/accounts/T00000000/management/accounts \
  -d '{"account_id":"T11200000","display_name":"Partner 112"}'; echo
TICKET=$(json -H "Authorization: Bearer $TOKEN" $BASE/v1/accounts/T00000000/auth/exchange_token \
  -d '{"account_id":"T11200000"}' | value access_token)
SETUP=$(json -H "Authorization: Bearer $TICKET" $BASE/v1/accounts/T11200000/auth/token \
  -d '{"grant_type":"client_credentials","audience":"'$BASE'/v1/accounts/T11200000"}' | value access_token)
SECRET=$(json -H "Authorization: Bearer $SETUP" $BASE/v1/accounts/T112/auth/clients \
  -d '{"name":"partner program","client_id":"partner-program"}' | value client_secret)
GRANT=$(json -H "Authorization: Bearer $SETUP" $BASE/v1/accounts/T112/auth/client-grants \
  -d '{"client_id":"partner-program","audience":"'$BASE'/v1/accounts/T11200000","scope":["admin:accounts"]}' | value id)

# 2. The partner gets its token and creates a sub-account.
PARTNER=$(json -u partner-program:$SECRET $BASE/v1/accounts/T112/auth/token \
  -d '{"grant_type":"client_credentials","audience":"'$BASE'/v1/accounts/T11200000"}' | value access_token)
SHOP=$(json -H "Authorization: Bearer $PARTNER" $BASE/v1/accounts/T112/management/accounts \
  -d '{"display_name":"Corner shop"}' | value account_id); echo "sub-account $SHOP"

# 3. It exchanges its token for one on the sub-account.
TICKET=$(json -H "Authorization: Bearer $PARTNER" $BASE/v1/accounts/T11200000/auth/exchange_token \
  -d '{"account_id":"'$SHOP'"}' | value access_token)
ACTING=$(json -H "Authorization: Bearer $TICKET" $BASE/v1/accounts/$SHOP/auth/token \
  -d '{"grant_type":"client_credentials","audience":"'$BASE'/v1/accounts/'$SHOP'"}' | value access_token)

# 4. There it works with roles.
ROLE=$(json -H "Authorization: Bearer $ACTING" $BASE/v1/accounts/$SHOP/auth/roles \
  -d '{"name":"order support","scope":["read:accounts"]}' | value id); echo "role $ROLE"
json -H "Authorization: Bearer $ACTING" $BASE/v1/accounts/$SHOP/auth/roles; echo
json -H "Authorization: Bearer $ACTING" -X PUT $BASE/v1/accounts/$SHOP/auth/roles/$ROLE \
  -d '{"name":"order support","description":"Administrate orders","scope":["write:accounts"]}'; echo
json -H "Authorization: Bearer $ACTING" -X DELETE $BASE/v1/accounts/$SHOP/auth/roles/$ROLE; echo

# 5. The operator narrows the partner's grant. The token that the partner already holds is refused at once: 403.
json -H "Authorization: Bearer $SETUP" -X PATCH $BASE/v1/accounts/T112/auth/client-grants/$GRANT \
  -d '{"scope":["read:accounts"]}'; echo
json -H "Authorization: Bearer $ACTING" $BASE/v1/accounts/$SHOP/auth/roles -d '{"scope":[]}'; echo

# 6. The logs of both accounts tell it, with the partner as `act` (wide again, the grant lets both be read).
json -H "Authorization: Bearer $SETUP" -X PATCH $BASE/v1/accounts/T112/auth/client-grants/$GRANT \
  -d '{"scope":["admin:accounts"]}' >/dev/null
json -H "Authorization: Bearer $ACTING" "$BASE/v1/accounts/$SHOP/management/events?limit=100"; echo
json -H "Authorization: Bearer $PARTNER" "$BASE/v1/accounts/T112/management/events?limit=100"; echo
