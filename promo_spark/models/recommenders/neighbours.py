"""What users like the one at hand buy: products that go together, and products of similar users. Plain numpy and scipy.

A sample of users is what others are compared with. Two scores come of it, for every product with enough buyers:
    together  EASE (Steck 2019): the linear model that tells each product from all others. It is solved among the users
              instead of among the products, which are more: with the sample's rows X it takes (XXᵀ + λI)⁻¹ alone
    similar   the share of the user's nearest neighbours, by the cosine of what they bought, who bought it lately
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.similarities import cosines, nearest_of, shares
from promo_spark.models.recommenders.top_n import Floats, Integers


@dataclass(frozen=True)
class Neighbours:
    """The sample: who bought what in the history, and what of late, as users × products; 1 where a user did.

    `products` are the numbers of the products with enough buyers, rising, which both matrices have a column for.
    """

    products: Integers
    bought: sparse.csr_array
    recent: sparse.csr_array
    inverse: Floats  # of the sample's users, (XXᵀ + λI)⁻¹
    weight: Floats  # of each product, 1 / (λ times its place on the diagonal of (XᵀX + λI)⁻¹)
    nearest: int

    @staticmethod
    def of(
        bought: sparse.csr_array, recent: sparse.csr_array, *, ridge: float, nearest: int, least_buyers: int
    ) -> Neighbours:
        """From users × all products. `ridge` is EASE's λ.

        >>> x = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1.0]], np.float32))
        >>> of = Neighbours.of(x, x, ridge=1.0, nearest=2, least_buyers=1)
        >>> p = np.linalg.inv((x.T @ x).toarray() + np.eye(3))
        >>> ease = x.toarray() @ (np.eye(3) - p / np.diag(p))
        >>> np.allclose(of.together(x), ease, atol=1e-5)
        True
        """
        products = np.flatnonzero(np.asarray(bought.sum(axis=0)).ravel() >= least_buyers)
        x, lately = (sparse.csr_array(part[:, products], dtype=np.float32) for part in (bought, recent))
        shared = (x @ x.T).toarray().astype(np.float64)
        inverse = np.linalg.inv(shared + ridge * np.eye(len(shared))).astype(np.float32)
        explained, buyers = np.zeros(len(products)), sparse.csr_array(x.T)
        for first in range(0, len(products), 1024):  # products × the sample's users, dense: a slice at a time
            part = buyers[first : first + 1024]
            product, user = part.nonzero()
            explained[first : first + 1024] = np.bincount(product, (part @ inverse)[product, user], part.shape[0])
        weight = (1 / np.maximum(1 - explained, 1e-6)).astype(np.float32)
        return Neighbours(products, x, lately, inverse, weight, nearest)

    def columns(self, bought: sparse.csr_array) -> sparse.csr_array:
        """Users × all products → users × the products that are scored."""
        return sparse.csr_array(bought[:, self.products], dtype=np.float32)

    def together(self, of_users: sparse.csr_array) -> Floats:
        """Users × scored products: EASE's scores."""
        return self._together(of_users, self._shared(of_users))

    def scores(self, of_users: sparse.csr_array, places: Integers) -> tuple[Floats, Floats]:
        """Users × scored products: `together`, and what the nearest users bought lately, as shares that sum to 1.

        `places`: where each user stands in the sample, −1 where not: nobody is a neighbour of their own.
        """
        shared = self._shared(of_users)
        alike = cosines(shared, of_users, self.bought)
        return self._together(of_users, shared), shares(nearest_of(alike, self.nearest, places), self.recent)

    def _shared(self, of_users: sparse.csr_array) -> Floats:
        """Users × the sample: how many products both bought."""
        return np.asarray((of_users @ self.bought.T).toarray(), np.float32)

    def _together(self, of_users: sparse.csr_array, shared: Floats) -> Floats:
        scores = np.asarray(((shared @ self.inverse) @ self.bought) * self.weight, np.float32)
        user, column = of_users.nonzero()
        scores[user, column] += 1 - self.weight[column]
        return scores
